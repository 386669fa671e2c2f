//! Tests the output and exit codes of `ungil dump`: text, several processes, and hostile strings in
//! the target. `dump_truth.rs` tests whether dumps are correct.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use ungil_tests::{BUILDS, Out, TestDir, TruthfulDebuggee, debuggees_dir, python};

/// Starts a script that uses [`REPORT`].
fn start(build: &str, program: &Path) -> TruthfulDebuggee {
    let mut command = Command::new(python(build));
    command.arg(program);
    TruthfulDebuggee::spawn(command)
}

fn dump(pids: &[i64], more: &[&str]) -> Out {
    let pids = pids.iter().map(ToString::to_string);
    TestDir::new().ungil(["dump"]).args(pids).args(more).run()
}

/// `report` prints the process id and blocks until standard input is closed.
const REPORT: &str = r#"
import json, os, sys
def report():
    print(json.dumps({"pid": os.getpid()}), flush=True)
    sys.stdin.read()
"#;

#[test]
fn prints_every_edge_of_a_deadlock() {
    for build in BUILDS {
        let target = TruthfulDebuggee::start(build, &[], "cycle_2");
        let out = dump(&[target.pid()], &[]);
        assert_eq!(out.code, 4, "{build}: {}", out.stderr);
        let program = debuggees_dir().join("cycle_2.py").display().to_string();
        for expected in [
            "Found one deadlock\n  2 threads wait for each other:",
            "which \"",
            "waiting for a lock",
            &program,
            "with ",
        ] {
            assert!(out.stdout.contains(expected), "{build}: no {expected:?} in\n{}", out.stdout);
        }
        assert_eq!(
            out.stdout.matches("(inside a with)").count(),
            4,
            "{build}: once for each wait and each edge\n{}",
            out.stdout
        );
        assert!(!out.stdout.contains('\u{1b}'), "color without a terminal");
    }
}

#[test]
fn control_characters_of_the_target_are_not_printed() {
    let dir = TestDir::new();
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}";
    let program = format!(
        "{REPORT}\nimport threading\nL = threading.Lock()\ndef hold():\n    with L: report()  # {hostile}\n\
         t = threading.Thread(target=hold, name='one{hostile}two')\nt.start()\nt.join()\n"
    );
    let path = dir.write(&format!("a{hostile}b.py"), program);
    let target = start("3.15t", &path);
    let out = dump(&[target.pid()], &[]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let is_unsafe = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!out.stdout.contains(is_unsafe), "{:?}", out.stdout);
    assert!(out.stdout.contains("\"one\u{fffd}[2J"), "{}", out.stdout);
    let json = dump(&[target.pid()], &["--json"]);
    assert!(!json.stdout.contains(is_unsafe), "{:?}", json.stdout);
    let names: Vec<String> = json.json()["interpreters"][0]["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|thread| thread["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&format!("one{hostile}two")), "{names:?}");
}

#[test]
fn dumps_several_processes_and_skips_missing_ones() {
    let (one, two) = (
        TruthfulDebuggee::start("3.13", &[], "lock_plain"),
        TruthfulDebuggee::start("3.15", &[], "cycle_2"),
    );
    let missing = i64::from(i32::MAX);
    let out = dump(&[one.pid(), missing, two.pid()], &["--json", "--no-source"]);
    assert_eq!(out.code, 4, "{}", out.stderr);
    let value = out.json();
    let pids: Vec<_> =
        value["processes"].as_array().unwrap().iter().map(|p| p["pid"].as_i64().unwrap()).collect();
    assert_eq!(pids, [one.pid(), two.pid()]);
    assert_eq!(value["failed"][0]["pid"], missing);
    assert!(out.stderr.contains(&format!("there is no process {missing}")), "{}", out.stderr);
    let frames = value["processes"][0]["interpreters"][0]["threads"][0]["frames"]
        .as_array()
        .unwrap()
        .clone();
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame["source"].is_null()));
    assert_eq!(dump(&[one.pid(), missing], &[]).code, 1);
    assert_eq!(dump(&[one.pid()], &[]).code, 0);
}

#[test]
fn all_finds_every_python_process() {
    let target = TruthfulDebuggee::start("3.14", &[], "lock_plain");
    let out = dump(&[], &["--all", "--json"]);
    assert!([0, 4].contains(&out.code), "{}", out.stderr);
    let value = out.json();
    let pids: Vec<_> =
        value["processes"].as_array().unwrap().iter().map(|p| p["pid"].as_i64().unwrap()).collect();
    assert!(pids.contains(&target.pid()), "{pids:?}");
    assert!(value["refused"].is_array());
}

#[test]
fn collapses_repeated_frames() {
    let dir = TestDir::new();
    let program = format!(
        "{REPORT}\ndef again(n):\n    return again(n - 1) if n else report()\nagain(500)\n"
    );
    let target = start("3.14t", &dir.write("deep.py", program));
    let out = dump(&[target.pid()], &[]);
    assert_eq!(out.stdout.matches("at again (").count(), 1, "{}", out.stdout);
    assert!(out.stdout.contains("501 times"), "{}", out.stdout);
}

#[test]
fn warns_of_source_modified_since_start() {
    let dir = TestDir::new();
    let program = format!("{REPORT}\nreport()\n");
    let path = dir.write("app.py", &program);
    let target = start("3.15", &path);
    let unmodified = dump(&[target.pid()], &[]);
    assert!(!unmodified.stdout.contains("modified since"), "{}", unmodified.stdout);
    dir.write("app.py", format!("# one line more\n{program}"));
    let out = dump(&[target.pid()], &[]);
    let note = out
        .stdout
        .lines()
        .find(|line| line.contains("modified since the process started"))
        .unwrap_or_default();
    assert!(note.contains("app.py"), "{}", out.stdout);
}

#[test]
fn process_without_python_is_a_three_line_error() {
    let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
    let out = dump(&[i64::from(sleeper.id())], &[]);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!((out.code, out.stdout.as_str()), (1, ""));
    let lines: Vec<&str> = out.stderr.lines().collect();
    assert!(
        matches!(lines[..], [what, why, help]
        if what.contains("does not contain CPython") && why.starts_with("  why: ") && help.starts_with("  try: ")),
        "{lines:?}"
    );
    assert_eq!(dump(&[], &[]).code, 2);
    assert_eq!(dump(&[0], &[]).code, 2);
}

#[test]
fn native_stack_contains_every_python_frame_in_order() {
    let target = TruthfulDebuggee::start("3.14t", &[], "lock_with");
    let out = dump(&[target.pid()], &["--native"]);
    assert!(out.stdout.contains("_PyMutex_LockTimed"), "{}", out.stdout);
    let value = dump(&[target.pid()], &["--native", "--json"]).json();
    let threads = value["interpreters"][0]["threads"].as_array().unwrap().clone();
    for thread in &threads {
        let rows = thread["native"].as_array().unwrap();
        let python: Vec<u64> = rows.iter().filter_map(|row| row["python"].as_u64()).collect();
        let all: Vec<u64> = (0..thread["frames"].as_array().unwrap().len() as u64).collect();
        assert_eq!(python, all, "every Python frame once, in order");
        assert!(rows.len() > python.len());
    }
}
