//! Tests how a profile begins and ends: invalid requests, programs that start others, outlive the
//! profile or fail, signals, and files that cannot be written. No measurement is lost.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod profiles;

use profiles::{LINES, ScriptTarget, WAITERS, collapsed, profile};
use serde_json::Value;
use std::process::{Command, Stdio};
use ungil_tests::{Out, TestDir, eventually, python};

#[test]
fn children_are_profiled_and_exec_is_followed() {
    let script = "
import os, subprocess, sys, time
def parent(): time.sleep(1.5)
child = subprocess.Popen([sys.executable, '-c', 'import time\\ndef kid():\\n  time.sleep(2)\\nkid()'])
if os.fork() == 0:
    def forked(): time.sleep(1.5)
    forked()
    os._exit(0)
parent()
os.execv(sys.executable, [sys.executable, '-c', 'import time\\ndef reborn():\\n  time.sleep(1.5)\\nreborn()'])
";
    for build in ["3.13", "3.14t", "3.15"] {
        let dir = TestDir::new();
        dir.write("family.py", script);
        let python = python(build).display().to_string();
        let out = profile(&dir, &["family.py", "--python", &python, "--rate", "200"]).ok();
        let summary = out.json();
        let stacks: String =
            collapsed(&dir, &summary).into_iter().map(|(stack, _)| stack + "\n").collect();
        for name in ["parent", "kid", "forked", "reborn"] {
            assert!(stacks.contains(name), "{build}: no {name} in\n{stacks}");
        }
        assert_eq!(summary["ending"], "gone");
        let alone =
            profile(&dir, &["family.py", "--python", &python, "--rate", "200", "--children", "no"])
                .ok();
        let stacks: String =
            collapsed(&dir, &alone.json()).into_iter().map(|(stack, _)| stack + "\n").collect();
        assert!(stacks.contains("parent") && !stacks.contains("kid"), "{build}: {stacks}");
    }
}

#[test]
fn a_killed_profiler_leaves_a_running_target_and_a_readable_recording() {
    let dir = TestDir::new();
    let target = ScriptTarget::start(&dir, "3.15t", LINES);
    let args = ["profile", &target.pid(), "--quiet", "--rate", "1khz", "-o", "kept.ungil"];
    let mut running = dir.ungil(args).start();
    running.until("some of the recording", || {
        let written = std::fs::metadata(dir.join("kept.ungil")).ok()?.len();
        (written > 0).then_some(())
    });
    running.signal("KILL");
    running.wait();
    assert!(target.alive());
    // The end of the recording may be truncated. Everything before it is read, and the truncation
    // is reported.
    let out = dir.ungil(["profile", "--replay", "kept.ungil", "--json"]).run();
    assert!(out.code == 0 && out.stderr.contains("ends early") || out.code == 2, "{out:?}");
}

#[test]
fn an_interrupt_keeps_the_profile() {
    let target_dir = TestDir::new();
    let target = ScriptTarget::start(&target_dir, "3.14", LINES);
    // A recording exists shortly before the first look, and an empty profile is an error.
    let (dir, out) = std::iter::repeat_with(|| interrupt_recording(&target))
        .find(|(_, out)| !out.stderr.contains("in 0 looks"))
        .unwrap();
    assert_eq!(out.ok().json()["ending"], "told");
    assert!(dir.read("kept.html").is_some_and(|page| page.contains("</html>")));
    assert!(target.alive());
}

/// Interrupts a profile of the target as soon as its recording exists.
fn interrupt_recording(target: &ScriptTarget) -> (TestDir, Out) {
    let dir = TestDir::new();
    let mut running = dir.ungil(["profile", &target.pid(), "--json", "-o", "kept.html"]).start();
    running.until("a recording", || {
        let mut files = std::fs::read_dir(dir.join(".ungil")).ok()?.flatten();
        files.any(|file| file.path().extension().is_some_and(|e| e == "ungil")).then_some(())
    });
    running.signal("INT");
    (dir, running.wait())
}

#[test]
fn a_failed_program_is_profiled_and_reported() {
    let dir = TestDir::new();
    dir.write("bad.py", "import time; time.sleep(0.5); raise SystemExit(3)");
    let python = python("3.14").display().to_string();
    let out = profile(&dir, &["bad.py", "--python", &python]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    let summary = out.json();
    assert_eq!(summary["exit_code"], 3);
    assert_eq!(summary["ending"], "gone");
}

#[test]
fn replay_rejects_options_of_recording() {
    let dir = TestDir::new();
    for option in [["--rate", "10"], ["--duration", "1"], ["--threads", "x"], ["--python", "3.14"]]
    {
        let out = dir.ungil(["profile", "--replay", "a.ungil"].into_iter().chain(option)).run();
        assert_eq!(out.code, 2, "{}", out.stderr);
        assert!(
            out.stderr.contains(&format!("{} cannot be used with --replay", option[0])),
            "{}",
            out.stderr
        );
    }
}

#[test]
fn writes_every_format() {
    let dir = TestDir::new();
    let target = ScriptTarget::start(&dir, "3.15t", LINES);
    for name in
        ["p.html", "p.speedscope.json", "p.firefox.json", "p.pb.gz", "p.collapsed", "p.ungil"]
    {
        profile(&dir, &[&target.pid(), "--duration", "0.3", "-o", name]).ok();
        assert!(std::fs::metadata(dir.join(name)).is_ok_and(|file| file.len() > 100), "{name}");
    }
    for name in ["p.speedscope.json", "p.firefox.json"] {
        let text = dir.read(name).unwrap();
        assert!(serde_json::from_str::<Value>(&text).is_ok() && text.contains("hot"), "{name}");
    }
    let out = dir.ungil(["profile", "--diff", "p.ungil", "p.ungil", "-o", "d.html"]).run().ok();
    assert!(out.stdout.contains("d.html"), "{}", out.stdout);
}

#[test]
fn rejects_invalid_requests() {
    let dir = TestDir::new();
    for (args, what) in [
        (&["profile"][..], "nothing to profile"),
        (&["profile", "1", "--rate", "fast"], "rate"),
        (&["profile", "1", "--rate", "0"], "rate"),
        (&["profile", "1", "--duration=-3s"], "duration"),
        (&["profile", "1", "--mode", "speed"], "mode"),
        (&["profile", "there-is-none.py"], "does not exist"),
        (&["profile", "1", "-o", "profile.doc"], "format"),
        (&["profile", "--replay", "there-is-none.ungil"], "cannot be read"),
    ] {
        let told = dir.ungil(args.iter().copied()).run().expect_error(2);
        assert!(told.what.contains(what), "{args:?}: {told:?}");
    }
    let told = dir.ungil(["profile", "4000000"]).run().expect_error(1);
    assert!(told.what.contains("4000000"), "{told:?}");
}

/// An invalid request is reported before the program starts.
#[test]
fn rejects_invalid_output_before_the_program_starts() {
    let dir = TestDir::new();
    dir.write("target.py", "open('ran', 'w').close()");
    std::fs::create_dir(dir.path().join("folder.html")).unwrap();
    for output in ["out.unheard-of", "folder.html"] {
        let told = dir.ungil(["profile", "target.py", "-o", output]).run().expect_error(2);
        assert!(told.what.contains(output), "{told:?}");
    }
    dir.ungil(["profile", "target.py", "--duration", "0"]).run().expect_error(2);
    assert!(dir.read("ran").is_none(), "the program ran");
}

#[test]
fn write_errors_name_the_recording_that_is_kept() {
    let dir = TestDir::new();
    let target = ScriptTarget::start(&dir, "3.14", WAITERS);
    let profile = |output: &str, format: &str| {
        dir.ungil([
            "profile",
            &target.pid(),
            "--duration",
            "200ms",
            "-o",
            output,
            "--format",
            format,
        ])
        .run()
    };
    let out = profile("/dev/full", "recording");
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(out.stderr.contains("is incomplete"), "{}", out.stderr);
    let told = profile("/dev/full", "collapsed").expect_error(1);
    let words = format!("{told:?}");
    let recording =
        words.split_whitespace().find(|word| word.starts_with(".ungil/")).expect(&words);
    let recording = recording.trim_end_matches(':');
    dir.ungil(["profile", "--replay", recording, "-o", "later.collapsed"]).run().ok();
    assert!(dir.read("later.collapsed").is_some_and(|text| !text.is_empty()));
}

#[test]
fn empty_profiles_say_what_was_missing() {
    let dir = TestDir::new();
    let target = ScriptTarget::start(
        &dir,
        "3.15t",
        "open('ready', 'w').close()\nimport time; time.sleep(1000)",
    );
    let pid = target.pid();
    let none = profile(&dir, &[&pid, "--duration", "300ms", "--threads", "nobody"]);
    assert!(none.json()["totals"]["notes"].to_string().contains("nobody"), "{none:?}");
    // The profile is empty.
    let told = none.expect_error(1);
    assert!(told.what.contains("empty") && told.why.contains("nobody"), "{told:?}");
    let none = profile(&dir, &[&pid, "--duration", "2s", "--mode", "lock"]).ok().json();
    assert!(
        none["findings"][0]["text"].as_str().unwrap().contains("no thread waited for a lock"),
        "{none:#}"
    );
}

/// When the profile ends before the program, its files are written at once; a signal then ends
/// both.
#[test]
fn profile_waits_for_its_program_until_a_signal() {
    let dir = TestDir::new();
    dir.write("target.py", "import time\nfor _ in range(300): time.sleep(1)");
    let args = ["profile", "target.py", "--duration", "200ms", "-o", "out.collapsed", "--python"];
    let ungil = Command::new(ungil_tests::binary())
        .args(args)
        .arg(python("3.14t"))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the file", || dir.read("out.collapsed").is_some());
    let mut ungil = ScriptTarget(ungil);
    assert!(ungil.0.try_wait().unwrap().is_none());
    Command::new("kill").args(["-TERM", &ungil.pid()]).status().unwrap();
    assert!(ungil.0.wait().unwrap().success());
}
