//! Tests that `dump`, `top`, `profile` and `compare` agree on what is contention and what is one
//! thread, on every build. Each program stays in its state as long as it is observed; the tests
//! check shares, not times.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod profiles;

use profiles::{ScriptTarget, number, profile};
use serde_json::Value;
use std::collections::BTreeSet;
use ungil_tests::{BUILDS, TestDir, eventually, metric};

/// The main thread has left its script and waits for a non-daemon thread.
const SHUTTING_DOWN: &str = "
import os, threading, time
def stay():
    while True:
        time.sleep(0.01)
        with open(f'/proc/self/task/{os.getpid()}/syscall') as call:
            if call.read().startswith('202 '): break
    open('ready', 'w').close()
    time.sleep(1000)
threading.Thread(target=stay, name='worker').start()
";

/// Eight threads create classes: on free-threaded builds they contend for the types mutex.
const TYPES_MUTEX: &str = "
import threading
def make():
    while True:
        for _ in range(200): type('X', (), {})
for i in range(8): threading.Thread(target=make).start()
open('ready', 'w').close()
";

/// Four threads feed one C object that has a lock of its own.
const C_OBJECT: &str = "
import lzma, os, threading
shared, block = lzma.LZMACompressor(preset=0), os.urandom(1_000_000)
def feed():
    while True: shared.compress(block)
for i in range(4): threading.Thread(target=feed).start()
open('ready', 'w').close()
";

fn dump(dir: &TestDir, target: &ScriptTarget) -> Value {
    let out = dir.ungil(["dump", &target.pid(), "--json", "--no-source"]).run();
    assert!(out.code == 0 || out.code == 4, "{}", out.stderr);
    out.json()
}

fn top(dir: &TestDir, target: &ScriptTarget, views: &str) -> Value {
    let out = dir.ungil(["top", &target.pid(), "--json", "-d", "500ms", "-n", views]).run().ok();
    serde_json::from_str(out.stdout.lines().last().unwrap()).unwrap()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the threads of a dump.
fn threads(dump: &Value) -> impl Iterator<Item = &Value> {
    items(&dump["interpreters"]).iter().flat_map(|interpreter| items(&interpreter["threads"]))
}

/// Checks that every command reports contention for one kind of lock in `script`, and for nothing
/// else.
fn assert_contended(script: &str, builds: &[&str], kind: &str) {
    for build in builds {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, script);
        eventually("a thread that dump sees waiting", || {
            let dump = dump(&dir, &target);
            let waits: Vec<&Value> =
                threads(&dump).map(|t| &t["waits"]).filter(|w| w["kind"] == kind).collect();
            waits.iter().for_each(|wait| assert_eq!(wait["contention"], true, "{build}: {wait}"));
            !waits.is_empty()
        });
        eventually("a wait that top counts", || {
            let view = top(&dir, &target, "2");
            let of = |o: &&Value| o["kind"] == kind;
            items(&view["objects"])
                .iter()
                .find(of)
                .is_some_and(|object| number(&object["waiting"]) > 0.0)
        });
        let label = kind.strip_prefix("object:").unwrap_or(kind);
        let mut last = Value::Null;
        eventually("a wait that profile counts", || {
            let args = [&target.pid(), "--mode", "lock", "--duration", "1s", "--rate", "500"];
            last = profile(&dir, &args).ok().json();
            items(&last["locks"])
                .iter()
                .any(|lock| lock["kind"] == label && number(&lock["weight"]) > 0.0)
        });
        drop(target);
        eventually("a wait that compare counts", || {
            let lasts = "open('ready', 'w').close()\nimport time\ntime.sleep(2)\nimport os\nprint('done', flush=True)\nos._exit(0)\n";
            dir.write("work.py", script.replace("open('ready', 'w').close()\n", lasts));
            let record = dir.one_block(["work.py", "--python", build]).run().ok().record();
            metric(record.run(build), "lock_wait_s") > 0.0
        });
    }
}

#[test]
fn the_lock_of_a_c_object_is_a_lock() {
    assert_contended(C_OBJECT, &BUILDS, "inside:_lzma.LZMACompressor");
}

#[test]
fn mutexes_of_the_runtime_are_locks() {
    assert_contended(TYPES_MUTEX, &["3.14t", "3.15t"], "runtime:the types mutex");
}

#[test]
fn joining_threads_is_no_contention() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, SHUTTING_DOWN);
        let dump = dump(&dir, &target);
        let main = threads(&dump).find(|thread| thread["name"] == "MainThread").unwrap();
        assert_eq!(main["waits"]["kind"], "threading.Thread", "{build}: {main}");
        assert_eq!(main["waits"]["contention"], false, "{build}: {main}");
        assert_eq!(main["waits"]["holders"][0]["name"], "worker", "{build}: {main}");
        let words = dir.ungil(["dump", &target.pid()]).run().ok().stdout;
        let line = words.lines().find(|line| line.starts_with("\"MainThread\"")).unwrap();
        assert!(line.ends_with("waiting for a thread to end"), "{build}: {line}");
        assert!(words.contains("(a threading.Thread), which is \"worker\""), "{build}: {words}");
        let view = top(&dir, &target, "2");
        let main =
            items(&view["threads"]).iter().find(|thread| thread["name"] == "MainThread").unwrap();
        assert_eq!(main["state"], "event", "{build}: {main}");
        assert_eq!(view["objects"], serde_json::json!([]), "{build}");
        let summary =
            profile(&dir, &[&target.pid(), "--mode", "lock", "--duration", "500ms"]).ok().json();
        assert_eq!(summary["samples"], 0, "{build}: {summary}");
        drop(target);
        let ends =
            SHUTTING_DOWN.replace("time.sleep(1000)", "time.sleep(1); print('done', flush=True)");
        dir.write("work.py", ends);
        let record = dir.one_block(["work.py", "--python", build]).run().ok().record();
        let run = record.run(build);
        assert!(metric(run, "lock_wait_s") < 0.2 * metric(run, "wall_s"), "{build}: {run}");
    }
}

/// A thread in a subinterpreter waits for a lock held by another thread of that interpreter.
const SUBINTERPRETER: &str = "
import os, threading, time
try:
    from concurrent import interpreters
    run = lambda code: interpreters.create().exec(code)
except ImportError:
    import _interpreters
    run = lambda code: _interpreters.exec(_interpreters.create(), code)
(ready, tell), (hear, go) = os.pipe(), os.pipe()
CODE = f'''
import os, threading
gate = threading.Lock()
def hold():
    with gate:
        os.write({tell}, b'.')
        os.read({hear}, 1)
thread = threading.Thread(target=hold, name='holder')
thread.start()
while not gate.locked(): pass
def want():
    with gate: pass
want()
thread.join()
'''
caller = threading.Thread(target=run, args=(CODE,), name='caller', daemon=True)
caller.start()
os.read(ready, 1)
def call():
    with open(f'/proc/self/task/{caller.native_id}/syscall') as line: return line.read()
while not call().startswith('202 '): time.sleep(0.01)
";

#[test]
fn a_thread_in_a_subinterpreter_counts_once() {
    for build in BUILDS {
        let dir = TestDir::new();
        let stays = format!("{SUBINTERPRETER}open('ready', 'w').close()\ntime.sleep(1000)\n");
        let target = ScriptTarget::start(&dir, build, &stays);
        let mut seen = Value::Null;
        eventually("a thread that waits", || {
            seen = dump(&dir, &target);
            threads(&seen).any(|thread| thread["waits"]["contention"] == true)
        });
        let dump = seen;
        let ids = |threads: &[Value], key: &str| -> Vec<i64> {
            threads.iter().map(|t| t[key].as_i64().unwrap()).collect()
        };
        let all: Vec<Value> = threads(&dump).cloned().collect();
        let kernels: BTreeSet<i64> = ids(&all, "native_id").into_iter().collect();
        assert_eq!(kernels.len(), 3, "{build}: {dump}");
        let entered: Vec<&Value> =
            all.iter().filter(|thread| !thread["entered"].is_null()).collect();
        assert_eq!(
            (entered.len(), &entered[0]["name"]),
            (1, &Value::from("caller")),
            "{build}: {dump}"
        );
        assert_eq!(
            all.iter()
                .filter(|t| !t["waits"].is_null() && t["waits"]["contention"] == true)
                .count(),
            1
        );
        let waiter = all.iter().find(|thread| thread["waits"]["contention"] == true).unwrap();
        assert_eq!(waiter["name"], "caller", "{build}: {waiter}");
        let words = dir.ungil(["dump", &target.pid()]).run().ok().stdout;
        assert!(words.contains(", 3 threads in 2 interpreters,"), "{build}: {words}");

        let view = top(&dir, &target, "2");
        let rows: Vec<i64> = ids(items(&view["threads"]), "tid");
        assert_eq!(rows.len(), 3, "{build}: {}", view["threads"]);
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), kernels, "{build}");
        let waiter = items(&view["threads"]).iter().find(|t| t["name"] == "caller").unwrap();
        assert_eq!(waiter["state"], "lock", "{build}: {waiter}");
        assert_eq!(
            number(&view["objects"][0]["waiting"]).round(),
            1.0,
            "{build}: {}",
            view["objects"]
        );

        let args = [
            &target.pid(),
            "--mode",
            "lock",
            "--duration",
            "1s",
            "--rate",
            "200",
            "--threads",
            "caller",
        ];
        let summary = profile(&dir, &args).ok().json();
        let (weight, lasted) =
            (number(&summary["weight"]), number(&summary["totals"]["duration_ns"]));
        assert!(
            (0.5..=1.1).contains(&(weight / lasted)),
            "{build}: {weight} of {lasted} ns: {summary}"
        );
        drop(target);

        let ends = "from ungil_phase import phase\nwith phase(): time.sleep(2)\nos.write(go, b'.')\ncaller.join()\nprint('done')\n";
        dir.write("work.py", format!("{SUBINTERPRETER}{ends}"));
        let record = dir.one_block(["work.py", "--python", build]).run().ok().record();
        let run = record.run(build);
        let waiters = metric(run, "lock_wait_s") / metric(run, "wall_s");
        assert!((0.6..=1.1).contains(&waiters), "{build}: {waiters} threads waited, not 1: {run}");
    }
}
