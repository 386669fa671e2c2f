//! C frames merged with Python frames.

mod common;

use common::{Target, parked, stacks};
use ungil_remote::Python;
use ungil_remote::native::{NativeError, StackRow, StopPolicy, Unwinder, merge_stacks};
use ungil_tests::{BUILDS, eventually};

/// Python, then C (`sorted` calls a key function), then Python again, which waits in a system call.
const WAITS: &str = "
import sys
def key(item): print('ready', flush=True); sys.stdin.read(); return item
def outer(): return sorted([1], key=key)
outer()
";

#[test]
fn unwinds_a_waiting_thread_without_stopping_it() {
    for build in BUILDS {
        let mut target = Target::start(build, WAITS);
        target.line();
        let (python, thread, frames) = parked(target.pid(), "key");
        let native = Unwinder::new(python.process())
            .unwrap()
            .stack(thread.native_id, StopPolicy::Never)
            .unwrap();
        let rows: Vec<String> = merge_stacks(native, &frames)
            .into_iter()
            .map(|row| match row {
                StackRow::Python(index) => frames[index].code.qualname.clone(),
                StackRow::Native(frame) => frame.symbol.unwrap_or_else(|| "?".into()),
            })
            .collect();
        let at = |name: &str| {
            rows.iter().position(|row| row == name).unwrap_or_else(|| panic!("{build}: {rows:?}"))
        };
        // `read` is libc's and innermost; `sorted` and its callees are between the two functions.
        assert!(at("read") < at("key") || at("__read") < at("key"), "{build}: {rows:?}");
        assert!(at("key") + 1 < at("outer"), "{build}: {rows:?}");
        assert!(at("outer") < at("<module>"), "{build}: {rows:?}");
        let last = rows.iter().rposition(|row| row == "<module>").unwrap();
        assert!(
            rows[last..].iter().any(|row| row.starts_with("Py")),
            "{build} ends in C: {rows:?}"
        );
        assert!(rows.len() < 100, "{build}: {rows:?}");
    }
}

#[test]
fn stops_a_running_thread_only_if_allowed() {
    for build in BUILDS {
        let program = "
import sys, threading
def spin():
    global n
    while not stop: n += 1
n = 0; stop = False
t = threading.Thread(target=spin); t.start()
for line in sys.stdin:
    if line == 'n\\n': print(n, flush=True)
    else: break
stop = True; t.join(); print('done', flush=True)
";
        let mut target = Target::start(build, program);
        let python = Python::attach(target.pid());
        let python = python.or_else(|_| {
            // The program may not have started yet.
            target.send("n");
            target.line();
            Python::attach(target.pid())
        });
        let python = python.unwrap();
        let mut unwinder = Unwinder::new(python.process()).unwrap();
        let mut refused = false;
        eventually(&format!("{build}: a thread that runs, unwound"), || {
            let threads = stacks(&python);
            let Some((spinning, _)) = threads
                .iter()
                .find(|(_, frames)| frames.first().is_some_and(|f| f.code.qualname == "spin"))
            else {
                return false;
            };
            refused |=
                unwinder.stack(spinning.native_id, StopPolicy::Never) == Err(NativeError::Running);
            let rows = unwinder.stack(spinning.native_id, StopPolicy::Briefly).unwrap();
            // In the interpreter loop, or in a function called by it.
            refused && rows.len() > 2
        });
        // The program continues, and ends normally.
        let mut count = || {
            target.send("n");
            target.line().parse::<u64>().unwrap()
        };
        let before = count();
        eventually(&format!("{build}: the thread runs on"), || count() > before);
        target.send("end");
        assert_eq!(target.line(), "done", "{build}");
    }
}
