//! `ungil dump` as its reader meets it: the words, the exit codes, several processes, and words of
//! the target that are hostile. Whether what it says is true is asked in `dump_truth.rs`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use ungil_tests::{BUILDS, Out, Place, Target, looks, python};

/// A program in a file of its own, which is at rest when it has said where it is.
fn start(build: &str, program: &Path) -> Target {
    let mut command = Command::new(python(build));
    command.arg(program);
    Target::of(command)
}

fn dump(pids: &[i64], more: &[&str]) -> Out {
    let pids = pids.iter().map(ToString::to_string);
    Place::new().ungil(["dump"]).args(pids).args(more).run()
}

const SAY: &str = r#"
import json, os, sys
def say():
    print(json.dumps({"pid": os.getpid()}), flush=True)
    sys.stdin.read()
"#;

#[test]
fn a_deadlock_is_told_with_every_edge_named() {
    for build in BUILDS {
        let target = Target::start(build, &[], "cycle_2");
        let out = dump(&[target.pid()], &[]);
        assert_eq!(out.code, 4, "{build}: {}", out.stderr);
        let program = looks().join("cycle_2.py").display().to_string();
        for words in [
            "Found one deadlock\n  2 threads wait for each other:",
            "which \"",
            "waiting for a lock",
            &program,
            "with ",
        ] {
            assert!(out.stdout.contains(words), "{build}: no {words:?} in\n{}", out.stdout);
        }
        assert_eq!(
            out.stdout.matches("(inside a with)").count(),
            4,
            "{build}: each wait and each edge\n{}",
            out.stdout
        );
        assert!(!out.stdout.contains('\u{1b}'), "colour without a terminal");
    }
}

#[test]
fn words_of_the_target_do_not_act_on_the_terminal() {
    let place = Place::new();
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}";
    let program = format!(
        "{SAY}\nimport threading\nL = threading.Lock()\ndef hold():\n    with L: say()  # {hostile}\n\
         t = threading.Thread(target=hold, name='one{hostile}two')\nt.start()\nt.join()\n"
    );
    let path = place.write(&format!("a{hostile}b.py"), program);
    let target = start("3.15t", &path);
    let out = dump(&[target.pid()], &[]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let acts = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!out.stdout.contains(acts), "{:?}", out.stdout);
    assert!(out.stdout.contains("\"one\u{fffd}[2J"), "{}", out.stdout);
    let json = dump(&[target.pid()], &["--json"]);
    assert!(!json.stdout.contains(acts), "{:?}", json.stdout);
    let names: Vec<String> = json.json()["interpreters"][0]["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|thread| thread["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&format!("one{hostile}two")), "{names:?}");
}

#[test]
fn several_processes_are_a_list_and_one_that_cannot_be_read_is_no_end() {
    let (one, two) =
        (Target::start("3.13", &[], "lock_plain"), Target::start("3.15", &[], "cycle_2"));
    let none = i64::from(i32::MAX);
    let out = dump(&[one.pid(), none, two.pid()], &["--json", "--no-source"]);
    assert_eq!(out.code, 4, "{}", out.stderr);
    let value = out.json();
    let pids: Vec<_> =
        value["processes"].as_array().unwrap().iter().map(|p| p["pid"].as_i64().unwrap()).collect();
    assert_eq!(pids, [one.pid(), two.pid()]);
    assert_eq!(value["failed"][0]["pid"], none);
    assert!(out.stderr.contains(&format!("there is no process {none}")), "{}", out.stderr);
    let frames = value["processes"][0]["interpreters"][0]["threads"][0]["frames"]
        .as_array()
        .unwrap()
        .clone();
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame["source"].is_null()));
    assert_eq!(dump(&[one.pid(), none], &[]).code, 1);
    assert_eq!(dump(&[one.pid()], &[]).code, 0);
}

#[test]
fn every_python_of_the_machine_is_found() {
    let target = Target::start("3.14", &[], "lock_plain");
    let out = dump(&[], &["--all", "--json"]);
    assert!([0, 4].contains(&out.code), "{}", out.stderr);
    let value = out.json();
    let pids: Vec<_> =
        value["processes"].as_array().unwrap().iter().map(|p| p["pid"].as_i64().unwrap()).collect();
    assert!(pids.contains(&target.pid()), "{pids:?}");
    assert!(value["refused"].is_array());
}

#[test]
fn frames_that_repeat_themselves_are_counted() {
    let place = Place::new();
    let program =
        format!("{SAY}\ndef again(n):\n    return again(n - 1) if n else say()\nagain(500)\n");
    let target = start("3.14t", &place.write("deep.py", program));
    let out = dump(&[target.pid()], &[]);
    assert_eq!(out.stdout.matches("at again (").count(), 1, "{}", out.stdout);
    assert!(out.stdout.contains("501 times"), "{}", out.stdout);
}

#[test]
fn a_file_that_was_changed_since_is_named() {
    let place = Place::new();
    let program = format!("{SAY}\nsay()\n");
    let path = place.write("app.py", &program);
    let target = start("3.15", &path);
    let untouched = dump(&[target.pid()], &[]);
    assert!(!untouched.stdout.contains("modified since"), "{}", untouched.stdout);
    place.write("app.py", format!("# one line more\n{program}"));
    let out = dump(&[target.pid()], &[]);
    let note = out
        .stdout
        .lines()
        .find(|line| line.contains("modified since the process started"))
        .unwrap_or_default();
    assert!(note.contains("app.py"), "{}", out.stdout);
}

#[test]
fn what_cannot_be_looked_into_is_said_in_three_lines() {
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
fn c_frames_lie_between_the_python_frames() {
    let target = Target::start("3.14t", &[], "lock_with");
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
