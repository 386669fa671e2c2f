//! `ungil dump` beside targets that do not hold still: nothing false is said, nothing is done to
//! them, and whatever they do meanwhile ends in a whole answer or in three lines.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};
use ungil_tests::{BUILDS, Out, Place, Target, Ungil, Verdict, eventually, looks, python};

/// Looks at each build; `UNGIL_LOOKS` sets it for the long form.
fn looks_each() -> usize {
    std::env::var("UNGIL_LOOKS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

/// A program given on the command line, which says its pid first and then does `then`.
fn does(build: &str, then: &str) -> Target {
    let mut command = std::process::Command::new(python(build));
    let head = "import json, os, sys, threading, time\nprint(json.dumps({'pid': os.getpid()}), flush=True)\n";
    command.arg("-c").arg(format!("{head}{then}"));
    Target::of(command)
}

/// A whole answer, or three lines.
#[track_caller]
fn whole(out: &Out) -> bool {
    if out.code != 0 {
        out.told(1);
        return false;
    }
    assert_eq!(out.json()["schema"], "ungil.dump/2", "{}", out.stdout);
    true
}

#[test]
fn a_busy_program_has_no_deadlock_and_its_sums_are_right() {
    for build in BUILDS {
        let mut target = Target::start(build, &[], "ordered");
        for look in 0..looks_each() {
            let out = target.look(Vec::<&str>::new());
            assert_eq!(out.code, 0, "{build}, look {look}: {}{}", out.stdout, out.stderr);
            let verdict = Verdict::of(&target.truth, &out.json(), out.code, target.age());
            assert!(
                verdict.differences.is_empty(),
                "{build}, look {look}: {:#?}\n{}",
                verdict.differences,
                out.stdout
            );
        }
        target.release();
        let sums: Value =
            serde_json::from_str(&target.line().unwrap_or_else(|| panic!("{build} died"))).unwrap();
        assert!(sums["right"] == true && sums["rounds"].as_u64() > Some(0), "{build}: {sums}");
        assert!(target.end().success(), "{build}");
    }
}

#[test]
fn a_look_that_is_killed_leaves_the_target_as_it_was() {
    for build in BUILDS {
        let mut target = Target::start(build, &[], "ordered");
        for step in 0..40 {
            let args = ["dump".to_string(), target.pid().to_string(), "--native".into()];
            let mut command = Ungil::new(&looks()).args(args).command();
            let mut look = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Somewhere between its start and its end, another place each time.
            let until = Instant::now() + Duration::from_micros(500 * step);
            while Instant::now() < until && look.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            look.kill().unwrap();
            look.wait().unwrap();
        }
        assert!(target.alive(), "{build}");
        assert!(whole(&target.look(["--no-source"])), "{build}");
        target.release();
        let sums: Value =
            serde_json::from_str(&target.line().unwrap_or_else(|| panic!("{build} died"))).unwrap();
        assert_eq!(sums["right"], true, "{build}");
        assert!(target.end().success(), "{build}");
    }
}

#[test]
fn a_target_that_ends_meanwhile() {
    let many = "e = threading.Event()\n[threading.Thread(target=e.wait).start() for _ in range(20)]\nos.read(0, 1)\nos._exit(0)";
    for build in BUILDS {
        for step in 0..15 {
            let mut target = does(build, many);
            let args = ["dump".to_string(), target.pid().to_string(), "--json".into()];
            let look = Ungil::new(&looks()).args(args).start();
            let until = Instant::now() + Duration::from_millis(step);
            while Instant::now() < until {
                std::thread::yield_now();
            }
            target.release();
            whole(&look.wait());
        }
    }
}

#[test]
fn a_target_that_becomes_itself_again_and_again() {
    for build in BUILDS {
        let place = Place::new();
        // Every look meets an interpreter at some point of its start.
        let script = "import os, sys\nos.path.exists('stop') or os.execv(sys.executable, [sys.executable, '-B', __file__])\n";
        let path = place.write("again.py", script);
        let mut command = std::process::Command::new(python(build));
        command.current_dir(place.path()).arg("-B").arg(&path).stdin(Stdio::null());
        let mut again = command.spawn().unwrap();
        for _ in 0..30 {
            let args = ["dump".to_string(), again.id().to_string(), "--json".into()];
            whole(&place.ungil(args).run());
        }
        assert!(again.try_wait().unwrap().is_none(), "{build}: it did not survive");
        place.write("stop", "");
        eventually("its end", || again.try_wait().unwrap().is_some());
        assert!(again.wait().unwrap().success(), "{build}");
    }
}

#[test]
fn a_target_that_forks_meanwhile() {
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
        let mut target = does(build, forks);
        for _ in 0..30 {
            assert!(whole(&target.look(["--no-source"])), "{build}");
        }
        assert!(target.alive() && target.end().success(), "{build}");
    }
}

/// `UNGIL_ROUNDS=100 cargo xtask test --run-ignored only a_hundred_times`; `UNGIL_PROGRAMS` names
/// those to run, with commas between (default: all).
#[test]
#[ignore = "an hour: run it by its name"]
fn the_corpus_a_hundred_times() {
    let rounds = std::env::var("UNGIL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let files = std::fs::read_dir(looks()).unwrap().flatten();
    let mut names: Vec<String> = files
        .filter_map(|f| Some(f.file_name().to_str()?.strip_suffix(".py")?.to_string()))
        .collect();
    names.retain(|n| !["look", "tasks", "ordered"].contains(&n.as_str()));
    if let Ok(wanted) = std::env::var("UNGIL_PROGRAMS") {
        names.retain(|name| wanted.split(',').any(|wanted| wanted == name));
    }
    names.sort();
    assert!(!names.is_empty(), "no such program");
    for name in names {
        let free_threaded =
            name.starts_with("object_") && name != "object_suspended" || name == "gil_on";
        let options: &[&str] = if name == "gil_on" { &["-X", "gil=1"] } else { &[] };
        for build in BUILDS.into_iter().filter(|b| !free_threaded || b.ends_with('t')) {
            let mut target = Target::start(build, options, &name);
            for round in 0..rounds {
                let out = target.look(Vec::<&str>::new());
                assert!(
                    out.code == 0 || out.code == 4,
                    "{build} {name}, look {round}: {}",
                    out.stderr
                );
                let verdict = Verdict::of(&target.truth, &out.json(), out.code, target.age());
                assert!(
                    verdict.differences.is_empty(),
                    "{build} {name}, look {round}: {:#?}",
                    verdict.differences
                );
            }
            assert!(target.alive() && target.end().success(), "{build} {name}");
        }
    }
}
