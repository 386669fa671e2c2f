//! Compares stacks with those of the standard library, `python3.15 -m profiling.sampling dump`, for
//! the same state of the same program. `dump_truth.rs` compares them with `sys._current_frames()`.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use ungil_tests::{TestDir, TruthfulDebuggee, python};

/// File, line and function of each frame, outermost first, by thread.
type Stacks = BTreeMap<i64, Vec<(String, u64, String)>>;

/// Runs `profiling.sampling dump` and parses its output.
fn reference_stacks(build: &str, pid: i64) -> Stacks {
    let mut command = Command::new(python(build));
    command
        .args(["-B", "-m", "profiling.sampling", "dump", "-a", &pid.to_string()])
        .env("NO_COLOR", "1");
    // It shortens the names of files below the working directory, so there must be none.
    let elsewhere = TestDir::new();
    command.current_dir(elsewhere.path());
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let (mut stacks, mut thread) = (Stacks::new(), 0);
    for line in text.lines() {
        if let Some((_, rest)) =
            line.strip_prefix("Stack dump").and_then(|l| l.split_once("thread "))
        {
            thread = rest.split_whitespace().next().unwrap().parse().unwrap();
        } else if let Some(rest) = line.strip_prefix("  File \"") {
            let (file, rest) = rest.split_once("\", line ").unwrap();
            let (line, function) = rest.split_once(", in ").unwrap();
            stacks.entry(thread).or_default().push((
                file.into(),
                line.parse().unwrap(),
                function.into(),
            ));
        }
    }
    stacks
}

fn dumped_stacks(dump: &Value) -> Stacks {
    let mut stacks = Stacks::new();
    for interpreter in dump["interpreters"].as_array().unwrap() {
        for thread in interpreter["threads"].as_array().unwrap() {
            let frame = |f: &Value| {
                let text = |key: &str| f[key].as_str().unwrap().to_string();
                (text("file"), f["line"].as_u64().unwrap(), text("function"))
            };
            let frames = thread["frames"].as_array().unwrap().iter().rev().map(frame).collect();
            stacks.insert(thread["native_id"].as_i64().unwrap(), frames);
        }
    }
    stacks
}

/// Excludes `deep_recursion`, which has too many frames for the library, and `long_source`, whose
/// lines the library does not find.
#[test]
fn stacks_match_profiling_sampling() {
    for build in ["3.15", "3.15t"] {
        for name in ["hot", "kinds_of_code", "non_ascii", "cycle_mixed"] {
            let target = TruthfulDebuggee::start(build, &[], name);
            let (expected, dumped) = (
                reference_stacks(build, target.pid()),
                dumped_stacks(&target.dump(["--no-source"]).json()),
            );
            assert_eq!(
                expected.keys().collect::<Vec<_>>(),
                dumped.keys().collect::<Vec<_>>(),
                "{build} {name}"
            );
            for (thread, stack) in &expected {
                assert_eq!(stack, &dumped[thread], "{build} {name} {thread}");
            }
        }
    }
}
