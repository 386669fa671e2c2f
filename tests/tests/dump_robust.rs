//! Tests `ungil dump` on targets that run, fork, exec and exit meanwhile: dumps are correct,
//! targets are unharmed, and every dump ends with a complete result or a three-line error.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};
use ungil_tests::{
    BUILDS, DumpDiff, Out, TestDir, TruthfulDebuggee, Ungil, debuggee_names, debuggees_dir,
    eventually, python,
};

/// Starts a program that prints its process id and then executes `code`.
fn start_code(build: &str, code: &str) -> TruthfulDebuggee {
    let mut command = std::process::Command::new(python(build));
    let head = "import json, os, sys, threading, time\nprint(json.dumps({'pid': os.getpid()}), flush=True)\n";
    command.arg("-c").arg(format!("{head}{code}"));
    TruthfulDebuggee::spawn(command)
}

/// Returns whether the dump succeeded. Fails unless it is complete or a three-line error.
#[track_caller]
fn is_complete(out: &Out) -> bool {
    if out.code != 0 {
        out.expect_error(1);
        return false;
    }
    assert_eq!(out.json()["schema"], "ungil.dump/2", "{}", out.stdout);
    true
}

#[test]
fn dumps_of_busy_program_are_correct_and_harmless() {
    assert_dumps_of_busy_program(50);
}

#[test]
#[ignore = "minutes: the nightly profile"]
fn thousand_dumps_of_busy_program_are_correct_and_harmless() {
    assert_dumps_of_busy_program(1000);
}

fn assert_dumps_of_busy_program(dumps: usize) {
    for build in BUILDS {
        let mut target = TruthfulDebuggee::start(build, &[], "ordered");
        for round in 0..dumps {
            let out = target.dump(Vec::<&str>::new());
            assert_eq!(out.code, 0, "{build}, dump {round}: {}{}", out.stdout, out.stderr);
            let diff = DumpDiff::new(&target.truth, &out.json(), out.code, target.age());
            assert!(
                diff.differences.is_empty(),
                "{build}, dump {round}: {:#?}\n{}",
                diff.differences,
                out.stdout
            );
        }
        target.close_stdin();
        let sums: Value =
            serde_json::from_str(&target.next_line().unwrap_or_else(|| panic!("{build} died")))
                .unwrap();
        assert!(sums["right"] == true && sums["rounds"].as_u64() > Some(0), "{build}: {sums}");
        assert!(target.end().success(), "{build}");
    }
}

#[test]
fn killed_dump_does_not_harm_the_target() {
    for build in BUILDS {
        let mut target = TruthfulDebuggee::start(build, &[], "ordered");
        for step in 0..40 {
            let args = ["dump".to_string(), target.pid().to_string(), "--native".into()];
            let mut command = Ungil::new(&debuggees_dir()).args(args).command();
            let mut dump = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Kills the dump at a different point of its work each time.
            let until = Instant::now() + Duration::from_micros(500 * step);
            while Instant::now() < until && dump.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            dump.kill().unwrap();
            dump.wait().unwrap();
        }
        assert!(target.alive(), "{build}");
        assert!(is_complete(&target.dump(["--no-source"])), "{build}");
        target.close_stdin();
        let sums: Value =
            serde_json::from_str(&target.next_line().unwrap_or_else(|| panic!("{build} died")))
                .unwrap();
        assert_eq!(sums["right"], true, "{build}");
        assert!(target.end().success(), "{build}");
    }
}

#[test]
fn target_that_exits_during_the_dump() {
    let waits_and_exits = "e = threading.Event()\n[threading.Thread(target=e.wait).start() for _ in range(20)]\nos.read(0, 1)\nos._exit(0)";
    for build in BUILDS {
        for step in 0..15 {
            let mut target = start_code(build, waits_and_exits);
            let args = ["dump".to_string(), target.pid().to_string(), "--json".into()];
            let dump = Ungil::new(&debuggees_dir()).args(args).start();
            let until = Instant::now() + Duration::from_millis(step);
            while Instant::now() < until {
                std::thread::yield_now();
            }
            target.close_stdin();
            is_complete(&dump.wait());
        }
    }
}

#[test]
fn target_that_execs_itself_repeatedly() {
    for build in BUILDS {
        let dir = TestDir::new();
        // Every dump finds an interpreter at some point of its startup.
        let script = "import os, sys\nos.path.exists('stop') or os.execv(sys.executable, [sys.executable, '-B', __file__])\n";
        let path = dir.write("again.py", script);
        let mut command = std::process::Command::new(python(build));
        command.current_dir(dir.path()).arg("-B").arg(&path).stdin(Stdio::null());
        let mut again = command.spawn().unwrap();
        for _ in 0..30 {
            let args = ["dump".to_string(), again.id().to_string(), "--json".into()];
            is_complete(&dir.ungil(args).run());
        }
        assert!(again.try_wait().unwrap().is_none(), "{build}: the target did not survive");
        dir.write("stop", "");
        eventually("the target ends", || again.try_wait().unwrap().is_some());
        assert!(again.wait().unwrap().success(), "{build}");
    }
}

#[test]
fn target_that_forks_during_the_dump() {
    let forks = "
end = threading.Thread(target=os.read, args=(0, 1), daemon=True)
end.start()
while end.is_alive():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        os._exit(1)
os._exit(0)
";
    for build in BUILDS {
        let mut target = start_code(build, forks);
        for _ in 0..30 {
            assert!(is_complete(&target.dump(["--no-source"])), "{build}");
        }
        assert!(target.alive() && target.end().success(), "{build}");
    }
}

/// Run with `UNGIL_ROUNDS=100 cargo xtask test --run-ignored only a_hundred_times`.
/// `UNGIL_PROGRAMS` is a comma-separated list of debuggees (default: all).
#[test]
#[ignore = "takes an hour"]
fn dumps_every_debuggee_a_hundred_times() {
    let rounds = std::env::var("UNGIL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let mut names = debuggee_names();
    if let Ok(wanted) = std::env::var("UNGIL_PROGRAMS") {
        names.retain(|name| wanted.split(',').any(|wanted| wanted == name));
    }
    assert!(!names.is_empty(), "no such debuggee");
    for name in names {
        let free_threaded =
            name.starts_with("object_") && name != "object_suspended" || name == "gil_on";
        let options: &[&str] = if name == "gil_on" { &["-X", "gil=1"] } else { &[] };
        for build in BUILDS.into_iter().filter(|b| !free_threaded || b.ends_with('t')) {
            let mut target = TruthfulDebuggee::start(build, options, &name);
            for round in 0..rounds {
                let out = target.dump(Vec::<&str>::new());
                assert!(
                    out.code == 0 || out.code == 4,
                    "{build} {name}, dump {round}: {}",
                    out.stderr
                );
                let diff = DumpDiff::new(&target.truth, &out.json(), out.code, target.age());
                assert!(
                    diff.differences.is_empty(),
                    "{build} {name}, dump {round}: {:#?}",
                    diff.differences
                );
            }
            assert!(target.alive() && target.end().success(), "{build} {name}");
        }
    }
}
