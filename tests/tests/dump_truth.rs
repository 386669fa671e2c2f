//! Compares `ungil dump` with the ground truth of more than fifty debuggees on every build: every
//! wait, holder, held lock, cycle, state and stack. `top` and `profile` must agree with `dump`.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use std::collections::BTreeSet;
use ungil_tests::{BUILDS, DumpDiff, TruthfulDebuggee, debuggee_names, disagreements_with_dump};

const FREE_THREADED: [&str; 2] = ["3.14t", "3.15t"];

/// Returns how often to dump a debuggee: once if its state is constant, else repeatedly.
fn dump_count(target: &TruthfulDebuggee) -> usize {
    let threads = target.truth["threads"].as_array().map_or(&[][..], Vec::as_slice);
    if threads.iter().any(|t| t["frames"] == "moving") { 20 } else { 1 }
}

/// Returns the differences between the dumps of a debuggee and its ground truth.
fn differences(build: &str, options: &[&str], name: &str) -> Vec<String> {
    let mut target = TruthfulDebuggee::start(build, options, name);
    let (mut all, mut last) = (Vec::new(), None);
    for _ in 0..dump_count(&target) {
        let out = target.dump(Vec::<&str>::new());
        if out.code != 0 && out.code != 4 {
            all.push(format!("ungil dump ended with {}: {}", out.code, out.stderr));
            break;
        }
        let dump = out.json();
        let mut diff = DumpDiff::new(&target.truth, &dump, out.code, target.age());
        if build != "3.13" {
            diff.require_wait_times(&dump);
        }
        if !diff.differences.is_empty() {
            all.append(&mut diff.differences);
            all.push(format!("warnings: {}", dump["warnings"]));
            break;
        }
        last = Some(dump);
    }
    all.extend(last.iter().flat_map(|dump| disagreements_with_dump(&target, dump)));
    if !target.alive() {
        all.push("the target did not survive".into());
    }
    let status = target.end();
    if !status.success() {
        all.push(format!("the target ended with {status}"));
    }
    all.iter().map(|d| format!("{build}: {d}")).collect()
}

fn assert_agrees(builds: &[&str], options: &[&str], name: &str) {
    let all: Vec<String> = builds.iter().flat_map(|b| differences(b, options, name)).collect();
    assert!(all.is_empty(), "{name}:\n{}", all.join("\n"));
}

macro_rules! agrees {
    ($($builds:expr, $options:expr => $($name:ident)*;)*) => {
        $($(#[test] fn $name() { assert_agrees(&$builds, &$options, stringify!($name)); })*)*
        const TESTED: &[&str] = &[$($(stringify!($name)),*),*];
    };
}

agrees! {
    BUILDS, [] =>
        asyncio_cycle asyncio_group asyncio_tasks at_exit at_fork bare_thread barrier busy condition_lock condition_notified condition_wait
        cycle_2 cycle_3 cycle_5 cycle_condition cycle_mixed cycle_names cycle_self cycle_two deep_holder deep_recursion event_wait forked
        future_result gil_contention handed_over hot import_circle import_lock interpreters join kinds_of_code lock_crowd lock_plain
        lock_with logging_lock long_source main_gone native_calls near_broken near_chain near_timeout non_ascii object_suspended odd_frames
        odd_name queue_get_put queue_mutex released_by_other rlock_depth rlock_plain rlock_reentered semaphore shutting_down
        simple_queue threads_200 threads_churn;
    FREE_THREADED, [] => object_dict object_list object_set object_two;
    FREE_THREADED, ["-X", "gil=1"] => gil_on;
}

#[test]
fn every_debuggee_has_a_test() {
    // dump_robust.rs tests `ordered`.
    let programs: BTreeSet<String> = debuggee_names().into_iter().collect();
    let tested: BTreeSet<String> = TESTED.iter().map(ToString::to_string).collect();
    assert_eq!(programs, tested);
    assert!(programs.len() >= 50);
}
