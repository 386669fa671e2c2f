//! Tests that `ungil dump --watch`, `profile --mode lock` and `top` find potential deadlocks from
//! lock orders in programs that never deadlock.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use ungil_tests::{BUILDS, Debuggee, TestDir, eventually, python};

/// Returns the names of the locks in each cycle, the exit code and the report.
fn watch(dir: &TestDir, program: &Debuggee) -> (Vec<BTreeSet<String>>, i32, Value) {
    let out = dir.ungil(["dump", &program.pid(), "--watch", "1s", "--json", "--no-source"]).run();
    let dump = out.json();
    let names = |cycle: &Value| {
        let edges = cycle["edges"].as_array().unwrap().iter();
        edges.map(|edge| edge["held"]["name"].as_str().unwrap_or_default().to_string()).collect()
    };
    (dump["lock_order"].as_array().unwrap().iter().map(names).collect(), out.code, dump)
}

/// Checks that a program's lock orders are reported as a potential deadlock of `locks`.
fn assert_could_deadlock(case: &str, locks: &[&str]) {
    for build in BUILDS {
        let dir = TestDir::new();
        let program = Debuggee::start(&dir, build, "cases/lock_orders.py", case);
        let expected: BTreeSet<String> = locks.iter().map(ToString::to_string).collect();
        let mut last = Value::Null;
        eventually(&format!("{build}: the lock order of {case}"), || {
            let (cycles, code, dump) = watch(&dir, &program);
            assert_eq!(code == 4, !cycles.is_empty(), "{build}: {dump}");
            last = dump;
            cycles.contains(&expected)
        });
        let edges = last["lock_order"][0]["edges"].as_array().unwrap();
        for edge in edges {
            assert!(edge["thread"].as_str().unwrap().starts_with("worker-"), "{build}: {edge}");
            assert!(
                edge["count"].as_u64() > Some(0) && !edge["taken_at"].is_null(),
                "{build}: {edge}"
            );
        }
    }
}

/// Checks that no potential deadlock is reported.
fn assert_cannot_deadlock(case: &str) {
    for build in BUILDS {
        let dir = TestDir::new();
        let program = Debuggee::start(&dir, build, "cases/lock_orders.py", case);
        let (cycles, code, dump) = watch(&dir, &program);
        assert_eq!((cycles, code), (Vec::new(), 0), "{build}: {}", dump["lock_order"]);
    }
}

macro_rules! could_deadlock {
    ($($case:ident $locks:expr;)*) => { $(#[test] fn $case() { assert_could_deadlock(stringify!($case), &$locks); })* };
}

macro_rules! cannot_deadlock {
    ($($case:ident)*) => { $(#[test] fn $case() { assert_cannot_deadlock(stringify!($case)); })* };
}

could_deadlock! {
    two_locks ["a", "b"];
    three_locks ["a", "b", "c"];
    two_rlocks ["ra", "rb"];
    accounts ["first.lock", "second.lock"];
    through_calls ["a", "b"];
    context_managers ["a", "b"];
    exit_stacks ["a", "b"];
    a_gate_of_one ["a", "b"];
    condition_and_lock ["a", "condition._lock"];
}

cannot_deadlock! {
    one_order a_common_gate different_instances taken_again one_thread new_locks_each_time three_in_order sorted_accounts
    counting_semaphores
}

/// Two threads take two locks in opposite orders with a pause before the second, and give up when
/// they block each other. `profile` sees only waits, so the program must produce some.
const CONTENDED: &str = "
import threading, time, random
a, b = threading.Lock(), threading.Lock()
def work(outer, inner):
    while True:
        with outer:
            time.sleep(0.002)
            if inner.acquire(timeout=0.02):
                inner.release()
        time.sleep(random.random() * 0.01)
threading.Thread(target=work, args=(a, b)).start()
threading.Thread(target=work, args=(b, a)).start()
open('ready', 'w').close()
";

#[test]
fn profile_and_top_report_potential_deadlocks() {
    for build in ["3.14", "3.15t"] {
        let dir = TestDir::new();
        dir.write("contended.py", CONTENDED);
        let mut command = Command::new(python(build));
        command.arg("contended.py");
        let program = Debuggee::spawn(&dir, command);
        let note = "locks are taken in an order that can deadlock: \"";
        eventually(&format!("{build}: profile's note"), || {
            let args = [
                "profile",
                &program.pid(),
                "--mode",
                "lock",
                "--duration",
                "2s",
                "--json",
                "--quiet",
            ];
            dir.ungil(args).run().stdout.contains(&note.replace('"', "\\\""))
        });
        eventually(&format!("{build}: top's note"), || {
            let args = ["top", &program.pid(), "--json", "-n", "6", "-d", "100ms"];
            dir.ungil(args).run().stdout.contains(&note.replace('"', "\\\""))
        });
    }
}
