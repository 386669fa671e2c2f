//! Compares the lock waits that `ungil compare` measures with the ground truth of the debuggees.
//! Each debuggee keeps its state for a second, until its standard input is closed.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use ungil_tests::{TestDir, TruthfulDebuggee, debuggee_names, debuggees_dir, metric};

/// Runs a debuggee (`$1` is the interpreter, `$2` the program) until a second after it has printed
/// its ground truth.
const FOR_A_SECOND: &str = r#"
place=$(mktemp -d)
mkfifo "$place/input"
"$1" "$2" < "$place/input" > "$place/truth" &
exec 3> "$place/input"
until [ -s "$place/truth" ]; do sleep 0.05; done
sleep 1
exec 3>&-
wait $!
status=$?
rm -r "$place"
exit $status
"#;

/// Returns how many threads wait for a lock all the time; `None` if the ground truth leaves it
/// open.
fn waiters(truth: &Value) -> Option<usize> {
    let states = |row: &Value| row["state"].as_array().cloned().unwrap_or_default();
    let rows = truth["threads"].as_array().unwrap();
    let is_open =
        rows.iter().any(|row| states(row).len() > 1 && states(row).contains(&"lock".into()));
    let waits = rows.iter().filter(|row| states(row) == ["lock"]).count();
    (!is_open && truth["extras"] != true).then_some(waits)
}

/// Checks every second debuggee, starting with the one at index `first`: two tests share the work.
fn assert_lock_waits_match(build: &str, first: usize) {
    let mut checked = 0;
    for program in debuggee_names().into_iter().skip(first).step_by(2) {
        // `object_*` exist only on free-threaded builds, `gil_on` needs options for the
        // interpreter, and the others report on a child process.
        if program.starts_with("object_") && !build.ends_with('t')
            || ["gil_on", "at_fork", "forked"].contains(&&*program)
        {
            continue;
        }
        let target = TruthfulDebuggee::start(build, &[], &program);
        let Some(waiters) = waiters(&target.truth) else { continue };
        target.end();
        let dir = TestDir::new();
        let path = debuggees_dir().join(format!("{program}.py"));
        dir.write("for_a_second.sh", FOR_A_SECOND);
        let command = format!("sh for_a_second.sh {{python}} {}", path.display());
        let out = dir.one_block(["--command", &command, "--python", build]).run();
        assert_eq!(out.code, 0, "{program}: {}", out.stderr);
        let record = out.record();
        let run = record.run(build);
        let (found_s, wall_s) = (metric(run, "lock_wait_s"), metric(run, "wall_s"));
        // The threads wait for the second at least, less what the first samples come late.
        let most_s = 1.05 * waiters as f64 * wall_s;
        let bounds_s =
            if waiters == 0 { 0.0..=0.1 * wall_s } else { 0.1 * waiters as f64..=most_s };
        assert!(
            bounds_s.contains(&found_s),
            "{program}: {found_s} s of waiting by {waiters} threads in {wall_s} s: {run}"
        );
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} programs");
}

#[test]
fn lock_waits_match_ground_truth_on_3_14() {
    assert_lock_waits_match("3.14", 0);
}

#[test]
fn lock_waits_match_ground_truth_on_3_15t() {
    assert_lock_waits_match("3.15t", 1);
}
