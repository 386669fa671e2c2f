//! Stacks against the standard library's own reader, `python3.15 -m profiling.sampling dump`, in
//! the same state of the same program; against `sys._current_frames()` they are checked with
//! everything else in `dump_truth.rs`.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use ungil_tests::{Place, Target, python};

/// File, line and function of each frame, outermost first, by thread.
type Stacks = BTreeMap<i64, Vec<(String, u64, String)>>;

fn theirs(build: &str, pid: i64) -> Stacks {
    let mut command = Command::new(python(build));
    command
        .args(["-B", "-m", "profiling.sampling", "dump", "-a", &pid.to_string()])
        .env("NO_COLOR", "1");
    // From a folder in which none of the files is, as it shortens the names of those.
    let elsewhere = Place::new();
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

fn ours(dump: &Value) -> Stacks {
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

/// Not `deep_recursion`, of which the library says that it has too many frames, nor `long_source`,
/// where it finds no line.
#[test]
fn stacks_are_those_of_profiling_sampling() {
    for build in ["3.15", "3.15t"] {
        for name in ["hot", "kinds_of_code", "non_ascii", "cycle_mixed"] {
            let target = Target::start(build, &[], name);
            let (theirs, ours) =
                (theirs(build, target.pid()), ours(&target.look(["--no-source"]).json()));
            assert_eq!(
                theirs.keys().collect::<Vec<_>>(),
                ours.keys().collect::<Vec<_>>(),
                "{build} {name}"
            );
            for (thread, stack) in &theirs {
                assert_eq!(stack, &ours[thread], "{build} {name} {thread}");
            }
        }
    }
}
