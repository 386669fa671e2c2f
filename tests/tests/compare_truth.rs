//! `ungil compare` against the programs that know what is true of their threads: it counts the
//! waits for locks that `dump`, `top` and `profile` show, and no others. Each program runs with a
//! standard input that stays open for a while, and then ends.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use ungil_tests::{Place, Target, looks, metric};

/// Programs on which other tests rest, or whose threads may be in several states.
const LEFT_OUT: [&str; 3] = ["look", "tasks", "ordered"];

/// How many threads wait for a lock all the time; `None` of a program of which it says that some
/// may.
fn waiters(truth: &Value) -> Option<usize> {
    let states = |row: &Value| row["state"].as_array().cloned().unwrap_or_default();
    let rows = truth["threads"].as_array().unwrap();
    let may = rows.iter().any(|row| states(row).len() > 1 && states(row).contains(&"lock".into()));
    let waits = rows.iter().filter(|row| states(row) == ["lock"]).count();
    (!may && truth["extras"] != true).then_some(waits)
}

fn programs() -> Vec<String> {
    let files = std::fs::read_dir(looks()).unwrap().flatten();
    let stems =
        files.filter_map(|f| Some(f.file_name().to_str()?.strip_suffix(".py")?.to_string()));
    let mut programs: Vec<String> =
        stems.filter(|stem| !LEFT_OUT.contains(&stem.as_str())).collect();
    programs.sort();
    programs
}

/// Every second program, from the one with this number on: two tests share the work.
fn agrees(build: &str, first: usize) {
    let mut checked = 0;
    for program in programs().into_iter().skip(first).step_by(2) {
        // Only free-threaded builds have these, or they need options, or look at a process of their
        // own.
        if program.starts_with("object_") && !build.ends_with('t')
            || ["gil_on", "at_fork", "forked"].contains(&&*program)
        {
            continue;
        }
        let target = Target::start(build, &[], &program);
        let Some(waiters) = waiters(&target.truth) else { continue };
        target.end();
        let place = Place::new();
        let path = looks().join(format!("{program}.py"));
        let command = format!("sh -c 'sleep 1 | {{python}} {} > /dev/null'", path.display());
        let out = place.one_block(["--command", &command, "--python", build]).run();
        assert_eq!(out.code, 0, "{program}: {}", out.stderr);
        let record = out.record();
        let run = record.run(build);
        let found = metric(run, "lock_wait_s") / metric(run, "wall_s");
        // It takes its time to start, in which nobody waits.
        let (least, most) =
            if waiters == 0 { (0.0, 0.1) } else { (0.1 * waiters as f64, 1.05 * waiters as f64) };
        assert!(
            (least..=most).contains(&found),
            "{program}: {found} threads waited for locks, not {waiters}: {run}"
        );
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} programs");
}

#[test]
fn waits_for_locks_are_counted_as_they_are_on_3_14() {
    agrees("3.14", 0);
}

#[test]
fn waits_for_locks_are_counted_as_they_are_on_3_15t() {
    agrees("3.15t", 1);
}
