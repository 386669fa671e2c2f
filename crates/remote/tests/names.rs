//! Names found for objects match those in the program.

mod common;

use common::{Target, parked};
use ungil_tests::BUILDS;

const PROGRAM: &str = "
import sys, threading, logging, functools
class Pool:
    shared = threading.RLock()
    def __init__(self):
        self.lock = threading.Lock()
        self.by_name = {'a': threading.Lock(), 5: threading.Lock()}
    def work(self, captured):
        mine, some = threading.Lock(), [1, threading.Lock()]
        def inner(): return captured
        ids = dict(L1=L1, pool=pool.lock, shared=Pool.shared, a=self.by_name['a'], five=self.by_name[5], mine=mine,
                   element=some[1], tuple=LOCKS[1], module=logging._lock, captured=captured, nobody=hidden())
        print(' '.join(f'{name}={id(object):x}' for name, object in ids.items()), flush=True)
        del ids
        sys.stdin.read()
def hidden():
    lock = threading.Lock()
    kept = [iter([lock])]  # an iterator has no elements to look into
    globals()['keep'] = kept[0]
    return lock
L1 = threading.Lock()
LOCKS = (threading.Lock(), threading.Lock())
pool = Pool()
threading.Thread(target=pool.work, args=(threading.Lock(),), name='w\u{f6}rker').start()
";

#[test]
fn globals_attributes_elements_and_locals() {
    for build in BUILDS {
        let mut target = Target::start(build, PROGRAM);
        let ids: Vec<(String, u64)> = target
            .line()
            .split(' ')
            .filter_map(|word| word.split_once('='))
            .map(|(name, id)| (name.to_owned(), u64::from_str_radix(id, 16).unwrap()))
            .collect();
        let (python, _, frames) = parked(target.pid(), "Pool.work");
        assert_eq!(
            python.objects().thread_name(&frames).as_deref(),
            Some("w\u{f6}rker"),
            "{build}"
        );
        let names = python.names(ids.iter().map(|&(_, id)| id), &frames);
        let called: Vec<(&str, Option<String>)> = ids
            .iter()
            .map(|(name, id)| (name.as_str(), names.get(id).map(ToString::to_string)))
            .collect();
        let expected = [
            ("L1", Some("L1")),
            ("pool", Some("pool.lock")),
            ("shared", Some("Pool.shared")),
            ("a", Some("pool.by_name[\"a\"]")),
            ("five", Some("pool.by_name[5]")),
            ("mine", Some("mine in Pool.work()")),
            ("element", Some("some[1] in Pool.work()")),
            ("tuple", Some("LOCKS[1]")),
            ("module", Some("logging._lock")),
            ("captured", Some("captured in Pool.work()")),
            ("nobody", None),
        ];
        let called: Vec<(&str, Option<&str>)> =
            called.iter().map(|(name, path)| (*name, path.as_deref())).collect();
        assert_eq!(called, expected, "{build}");
    }
}

#[test]
fn values_of_locals() {
    let program = "
import sys
class Thing:
    def __init__(self): self.size = -1234567890123
def f(number, text, *rest, **more):
    thing = Thing(); thing.extra = 'sp\\u00e4ter \\U0001f40d'; del thing.size; thing.size = 7
    unset = 0; del unset
    print('ready', flush=True); sys.stdin.read()
f(1152921504606846975, 'text', 1, key=2)
";
    for build in BUILDS {
        let mut target = Target::start(build, program);
        target.line();
        let (python, _, frames) = parked(target.pid(), "f");
        let objects = python.objects();
        let of = |name: &str| objects.local(&frames[0], name);
        assert_eq!(of("number").and_then(|at| objects.int(at)), Some((1 << 60) - 1), "{build}");
        assert_eq!(
            of("text").and_then(|at| objects.text(at).ok()).as_deref(),
            Some("text"),
            "{build}"
        );
        assert_eq!(of("rest").map(|at| objects.tuple(at, 9).unwrap().len()), Some(1), "{build}");
        let more = of("more").and_then(|at| objects.item(at, "key")).and_then(|at| objects.int(at));
        assert_eq!(more, Some(2), "{build}");
        assert_eq!(of("unset"), None, "{build}");
        let thing = of("thing").unwrap();
        assert_eq!(objects.type_name(thing).as_deref(), Some("Thing"), "{build}");
        let extra = objects.attribute(thing, "extra").and_then(|at| objects.text(at).ok());
        assert_eq!(extra.as_deref(), Some("sp\u{e4}ter \u{1f40d}"), "{build}");
        assert_eq!(
            objects.attribute(thing, "size").and_then(|at| objects.int(at)),
            Some(7),
            "{build}"
        );
    }
}
