//! Tests `ungil dump` on event loops and threads that are deadlocked with each other, and on
//! similar programs without a deadlock.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use ungil_tests::{Debuggee, TestDir, eventually};

/// Builds with an `AsyncioDebug` section, which makes tasks readable.
const WITH_TASKS: [&str; 4] = ["3.14", "3.14t", "3.15", "3.15t"];

/// Checks the deadlocks of a program. `expected` has the waiting thread, the kind of the wait
/// target, and its holder.
fn assert_deadlocks(build: &str, case: &str, expected: &[(&str, &str, &str)]) {
    let dir = TestDir::new();
    let program = Debuggee::start(&dir, build, "cases/event_loops.py", case);
    let pid = program.pid();
    let mut out = dir.ungil(["dump", &pid, "--json"]).run();
    let code = if expected.is_empty() { 0 } else { 4 };
    if code == 4 {
        eventually(&format!("{build} {case}: a deadlock"), || {
            out = dir.ungil(["dump", &pid, "--json"]).run();
            out.code == 4
        });
    }
    assert_eq!(out.code, code, "{build} {case}: {}", out.stdout);
    let dump = out.json();
    let edges =
        dump["deadlocks"].as_array().unwrap().iter().flat_map(|d| d["edges"].as_array().unwrap());
    let text = |edge: &Value, key: &str| edge[key].as_str().unwrap_or_default().to_string();
    let mut found: Vec<_> = edges
        .map(|edge| (text(edge, "thread"), text(edge, "kind"), text(edge, "holder")))
        .collect();
    found.sort();
    let expected: Vec<_> = expected
        .iter()
        .map(|(waiter, kind, holder)| (waiter.to_string(), kind.to_string(), holder.to_string()))
        .collect();
    assert_eq!(found, expected, "{build} {case}: {dump}");
}

#[test]
fn event_loop_and_thread_waiting_for_each_other_are_a_deadlock() {
    for build in WITH_TASKS {
        let future = ("asks", "concurrent.futures.Future", "MainThread");
        assert_deadlocks(
            build,
            "holds_a_lock_across_an_await",
            &[("MainThread", "threading.Lock", "MainThread")],
        );
        assert_deadlocks(
            build,
            "joins_a_thread_that_waits_for_the_loop",
            &[("MainThread", "threading.Thread", "asks"), future],
        );
        assert_deadlocks(
            build,
            "wants_the_lock_of_a_thread_that_waits_for_the_loop",
            &[("MainThread", "threading.Lock", "asks"), future],
        );
    }
}

#[test]
fn event_loop_that_can_proceed_is_not_deadlocked() {
    for build in WITH_TASKS {
        assert_deadlocks(build, "a_thread_wants_what_a_free_loop_will_release", &[]);
        assert_deadlocks(build, "a_thread_waits_for_a_free_loop", &[]);
        assert_deadlocks(build, "the_loop_waits_for_a_lock_that_a_busy_thread_holds", &[]);
    }
}

#[test]
fn lock_held_across_an_await_names_its_task() {
    for build in WITH_TASKS {
        let dir = TestDir::new();
        let program =
            Debuggee::start(&dir, build, "cases/event_loops.py", "holds_a_lock_across_an_await");
        let out = dir.ungil(["dump", &program.pid()]).run();
        let held = "held by task \"keeper\" of \"MainThread\" across an await";
        assert!(out.stdout.contains(held), "{build}: {}", out.stdout);
        let edge = "which task \"keeper\" of \"MainThread\"";
        assert!(out.stdout.contains(edge), "{build}: {}", out.stdout);
    }
}
