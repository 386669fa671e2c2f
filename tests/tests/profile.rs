//! `ungil profile` on programs whose truth is known: by construction (so many threads wait for this lock all the time) or because
//! the program measures it itself. Shares are tested, never times: a slow machine makes a profile longer, not wrong.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::process::{Child, Command, Stdio};
use ungil_tests::{BUILDS, Out, PYTHONS, Place, alive, eventually, python};

/// A program of a test's own, ended with the test.
struct Target(Child);

impl Target {
    /// Starts `script` and waits until it has made the file `ready`.
    fn start(place: &Place, build: &str, script: &str) -> Target {
        let path = place.write("target.py", script);
        let child = Command::new(python(build))
            .arg(path)
            .current_dir(place.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the target starts");
        let target = Target(child);
        eventually("the target's word that it is ready", || place.read("ready").is_some());
        target
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn alive(&self) -> bool {
        alive(i32::try_from(self.0.id()).unwrap())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ungil profile ARGS --json`.
fn profile(place: &Place, args: &[&str]) -> Out {
    place.ungil(["profile", "--json", "--quiet"]).args(args.iter().copied()).run()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// The part of all locks' weight that is this lock's.
fn share(summary: &Value, name: &str) -> f64 {
    let locks = summary["locks"].as_array().unwrap();
    let total: f64 = locks.iter().map(|lock| number(&lock["weight"])).sum();
    let own =
        locks.iter().filter(|lock| lock["name"] == name).map(|lock| number(&lock["weight"])).sum::<f64>();
    own / total
}

/// Lines of a profile as collapsed stacks: the stack, and its weight.
fn collapsed(place: &Place, summary: &Value) -> Vec<(String, f64)> {
    let recording = summary["recording"].as_str().unwrap();
    place.ungil(["profile", "--replay", recording, "-o", "stacks.collapsed"]).run().ok();
    let text = place.read("stacks.collapsed").unwrap();
    text.lines()
        .map(|line| {
            let (stack, weight) = line.rsplit_once(' ').unwrap();
            (stack.to_string(), weight.parse().unwrap())
        })
        .collect()
}

/// Seven threads wait for one lock, two for another, one for a third, for as long as anybody looks.
const WAITERS: &str = "
import threading, time
cache_lock, pool_lock, log_lock = threading.Lock(), threading.Lock(), threading.Lock()
tried = threading.Semaphore(0)
def wait(lock):
    tried.release()
    with lock: pass
with cache_lock, pool_lock, log_lock:
    for lock, count in ((cache_lock, 7), (pool_lock, 2), (log_lock, 1)):
        for number in range(count): threading.Thread(target=wait, args=(lock,), daemon=True).start()
    for _ in range(10): tried.acquire()
    time.sleep(0.2)
    open('ready', 'w').close()
    time.sleep(1000)
";

#[test]
fn waiting_is_shared_out_among_the_locks_as_it_is() {
    for build in BUILDS {
        let place = Place::new();
        let target = Target::start(&place, build, WAITERS);
        let out =
            profile(&place, &[&target.pid(), "--mode", "lock", "--duration", "2s", "--rate", "200"]).ok();
        let summary = out.json();
        for (name, truth) in [("cache_lock", 0.7), ("pool_lock", 0.2), ("log_lock", 0.1)] {
            let found = share(&summary, name);
            assert!(
                (found - truth).abs() < 0.03,
                "{build}: {name} has {found} of the waiting, not {truth}: {summary}"
            );
        }
        let says = summary["findings"].to_string();
        assert!(says.contains("cache_lock"), "{build}: {says}");
        assert!(target.alive());
    }
}

/// One thread waits for three locks in turn, which another holds for 210, 60 and 30 ms; both measure: a wait is from the attempt to the release,
/// for the way from there to a processor is not the lock's.
const HELD: &str = "
import json, queue, threading, time
cache_lock, pool_lock, log_lock = threading.Lock(), threading.Lock(), threading.Lock()
TABLE = (('cache_lock', cache_lock, 0.21), ('pool_lock', pool_lock, 0.06), ('log_lock', log_lock, 0.03))
held, done, waited = queue.SimpleQueue(), queue.SimpleQueue(), dict.fromkeys(('cache_lock', 'pool_lock', 'log_lock'), 0)
def wait():
    for _ in range(15):
        for name, lock, _ in TABLE:
            held.get()
            begin = time.monotonic()
            with lock: pass
            done.put(begin)
def hold():
    for _ in range(15):
        for name, lock, long in TABLE:
            with lock:
                held.put(None)
                time.sleep(long)  # HERE
                end = time.monotonic()
            waited[name] += end - done.get()
threads = [threading.Thread(target=f) for f in (wait, hold)]
for thread in threads: thread.start()
for thread in threads: thread.join()
json.dump(waited, open('truth', 'w'))
";

#[test]
fn known_hold_times_are_reported_within_three_points() {
    for build in BUILDS {
        let place = Place::new();
        place.write("held.py", HELD);
        let python = python(build).display().to_string();
        let out = profile(&place, &["held.py", "--python", &python, "--mode", "lock", "--rate", "1khz"]).ok();
        let summary = out.json();
        let truth: Value = serde_json::from_str(&place.read("truth").unwrap()).unwrap();
        let total: f64 = truth.as_object().unwrap().values().map(number).sum();
        for (name, waited) in truth.as_object().unwrap() {
            let (found, truth) = (share(&summary, name), number(waited) / total);
            assert!((found - truth).abs() < 0.03, "{build}: {name}: {found}, and it was {truth}: {summary}");
        }
        let line = HELD.lines().position(|line| line.contains("# HERE")).unwrap() + 1;
        let says = summary["findings"].to_string();
        assert!(says.contains(&format!("held.py:{line}")), "{build}: the holder is at line {line}: {says}");
    }
}

/// Two functions take turns on the processor, and each measures its own time on it: 70 and 30 of a hundred.
const SHARES: &str = "
import time
def spin(long):
    end = time.thread_time() + long
    while time.thread_time() < end:
        for _ in range(50): pass
def more():
    spin(0.007)
def less():
    spin(0.003)
def never():
    spin(1)
open('ready', 'w').close()
while True:
    more()
    less()
";

#[test]
fn time_on_the_processor_is_shared_out_among_functions_as_it_is() {
    for build in BUILDS {
        let place = Place::new();
        let target = Target::start(&place, build, SHARES);
        let out =
            profile(&place, &[&target.pid(), "--mode", "cpu", "--duration", "3s", "--rate", "1khz"]).ok();
        let stacks = collapsed(&place, &out.json());
        let of = |name: &str| stacks.iter().filter(|(s, _)| s.contains(name)).map(|(_, w)| w).sum::<f64>();
        let share = of("more") / (of("more") + of("less"));
        // Three seconds are 300 turns. Being put off the processor is seen as running, and falls on either in proportion.
        assert!((0.6..0.8).contains(&share), "{build}: {share}: {stacks:?}");
        assert_eq!(of("never"), 0.0);
    }
}

/// A loop that is specialised at once, between two lines that never run.
const LINES: &str = "
def hot(n):
    if n < 0:
        return 'never'
    total = 0
    for i in range(n):
        total += i * i
    if total < 0:
        return 'never'
    return total
open('ready', 'w').close()
while True:
    hot(100000)
";

#[test]
fn lines_are_those_that_run() {
    for build in BUILDS {
        let place = Place::new();
        let target = Target::start(&place, build, LINES);
        let out = profile(&place, &[&target.pid(), "--duration", "2s", "--rate", "1khz"]).ok();
        let stacks = collapsed(&place, &out.json());
        let leaf = |stack: &str| stack.rsplit(';').next().unwrap().to_string();
        let hot: Vec<_> = stacks.iter().filter(|(stack, _)| leaf(stack).contains("hot")).collect();
        let total: f64 = hot.iter().map(|(_, weight)| weight).sum();
        let at = |line: u32| {
            let ending = format!("target.py:{line}");
            let is = |stack: &str| leaf(stack).trim_end_matches(')').ends_with(&ending);
            hot.iter().filter(|(stack, _)| is(stack)).map(|(_, weight)| weight).sum::<f64>()
        };
        assert!(at(6) + at(7) > 0.9 * total && total > 0.0, "{build}: {hot:?}");
        assert_eq!(at(4) + at(9), 0.0, "{build}: a line that never runs: {hot:?}");
    }
}

#[test]
fn two_hundred_threads_are_seen_by_name() {
    let script = "
import threading
event, there = threading.Event(), threading.Semaphore(0)
def wait():
    there.release()
    event.wait()
for n in range(200): threading.Thread(target=wait, name=f'worker {n}', daemon=True).start()
for n in range(200): there.acquire()
open('ready', 'w').close()
event.wait()
";
    for build in PYTHONS {
        let place = Place::new();
        let target = Target::start(&place, build, script);
        let summary = profile(&place, &[&target.pid(), "--duration", "1s", "--rate", "100"]).ok().json();
        let threads = summary["threads"].as_array().unwrap();
        let named =
            |n: u32| threads.iter().any(|t| t["name"] == format!("worker {n}") && number(&t["weight"]) > 0.0);
        assert!((0..200).all(named) && threads.len() == 201, "{build}: {threads:?}");
    }
}

#[test]
fn threads_may_come_and_go_and_code_too() {
    let script = "
import threading
def work(n):
    for _ in range(n): pass
open('ready', 'w').close()
number = 0
while True:
    number += 1
    space = {}
    exec(f'def made_{number % 7}(n):\\n' + '\\n' * (number % 5) + '    for _ in range(n): pass', space)
    target = space[f'made_{number % 7}']
    threads = [threading.Thread(target=f, args=(20000,)) for f in (work, target, target)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
";
    for build in BUILDS {
        let place = Place::new();
        let target = Target::start(&place, build, script);
        let summary = profile(&place, &[&target.pid(), "--duration", "2s", "--rate", "2khz"]).ok().json();
        assert!(target.alive());
        assert!(summary["threads"].as_array().unwrap().len() > 3, "{build}: {summary}");
        let stacks = collapsed(&place, &summary);
        // What a thread runs is one of the two; a name read from code that was gone would be another.
        for (stack, _) in stacks.iter().filter(|(stack, _)| stack.contains("Thread.run")) {
            let inner = stack.split("Thread.run").nth(1).unwrap_or_default();
            let fits = |name: &str| name.contains("work") || name.contains("made_") || name.is_empty();
            let called = inner.split(';').nth(1).unwrap_or_default();
            assert!(fits(called), "{build}: {stack}");
        }
    }
}

#[test]
fn children_are_looked_at_too_and_exec_is_followed() {
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
        let place = Place::new();
        place.write("family.py", script);
        let python = python(build).display().to_string();
        let out = profile(&place, &["family.py", "--python", &python, "--rate", "200"]).ok();
        let summary = out.json();
        let stacks: String = collapsed(&place, &summary).into_iter().map(|(stack, _)| stack + "\n").collect();
        for name in ["parent", "kid", "forked", "reborn"] {
            assert!(stacks.contains(name), "{build}: no {name} in\n{stacks}");
        }
        assert_eq!(summary["ending"], "gone");
        let alone =
            profile(&place, &["family.py", "--python", &python, "--rate", "200", "--children", "no"]).ok();
        let stacks: String =
            collapsed(&place, &alone.json()).into_iter().map(|(stack, _)| stack + "\n").collect();
        assert!(stacks.contains("parent") && !stacks.contains("kid"), "{build}: {stacks}");
    }
}

#[test]
fn a_killed_profiler_leaves_the_target_running_and_its_recording_readable() {
    let place = Place::new();
    let target = Target::start(&place, "3.15t", LINES);
    let args = ["profile", &target.pid(), "--quiet", "--rate", "1khz", "-o", "kept.ungil"];
    let mut running = place.ungil(args).start();
    running.until("some of the recording", || {
        let written = std::fs::metadata(place.at("kept.ungil")).ok()?.len();
        (written > 0).then_some(())
    });
    running.signal("KILL");
    running.wait();
    assert!(target.alive());
    // What was written last may be cut; what is before that is read, and it is said.
    let out = place.ungil(["profile", "--replay", "kept.ungil", "--json"]).run();
    assert!(out.code == 0 && out.stderr.contains("ends early") || out.code == 2, "{out:?}");
}

#[test]
fn an_interrupt_ends_it_and_keeps_everything() {
    let place = Place::new();
    let target = Target::start(&place, "3.14", LINES);
    let mut running = place.ungil(["profile", &target.pid(), "--json", "-o", "kept.html"]).start();
    running.until("a recording", || {
        let mut files = std::fs::read_dir(place.at(".ungil")).ok()?.flatten();
        files.any(|file| file.path().extension().is_some_and(|e| e == "ungil")).then_some(())
    });
    running.signal("INT");
    let out = running.wait().ok();
    assert_eq!(out.json()["ending"], "told");
    assert!(place.read("kept.html").is_some_and(|page| page.contains("</html>")));
    assert!(target.alive());
}

#[test]
fn a_program_that_fails_is_profiled_and_said_to_have_failed() {
    let place = Place::new();
    place.write("bad.py", "import time; time.sleep(0.5); raise SystemExit(3)");
    let python = python("3.14").display().to_string();
    let summary = profile(&place, &["bad.py", "--python", &python]).ok().json();
    assert_eq!(summary["exit_code"], 3);
    assert_eq!(summary["ending"], "gone");
}

#[test]
fn every_format_is_written() {
    let place = Place::new();
    let target = Target::start(&place, "3.15t", LINES);
    for name in ["p.html", "p.speedscope.json", "p.firefox.json", "p.pb.gz", "p.collapsed", "p.ungil"] {
        profile(&place, &[&target.pid(), "--duration", "0.3", "-o", name]).ok();
        assert!(std::fs::metadata(place.at(name)).is_ok_and(|file| file.len() > 100), "{name}");
    }
    for name in ["p.speedscope.json", "p.firefox.json"] {
        let text = place.read(name).unwrap();
        assert!(serde_json::from_str::<Value>(&text).is_ok() && text.contains("hot"), "{name}");
    }
    let out = place.ungil(["profile", "--diff", "p.ungil", "p.ungil", "-o", "d.html"]).run().ok();
    assert!(out.stdout.contains("d.html"), "{}", out.stdout);
}

#[test]
fn the_collector_is_seen_at_work() {
    let script = "
import gc
kept = [[i] for i in range(300000)]
open('ready', 'w').close()
while True: gc.collect()
";
    for build in BUILDS {
        let place = Place::new();
        let target = Target::start(&place, build, script);
        let summary = profile(&place, &[&target.pid(), "--mode", "gc", "--duration", "2s"]).ok().json();
        assert!(number(&summary["pauses"]) > 0.0, "{build}: {summary}");
        assert!(collapsed(&place, &summary).iter().any(|(stack, _)| stack.contains("<GC>")), "{build}");
    }
}

#[test]
fn the_gil_is_waited_for_where_there_is_one() {
    let script = "
import threading
def spin():
    while True: pass
for _ in range(3): threading.Thread(target=spin, daemon=True).start()
open('ready', 'w').close()
spin()
";
    for build in ["3.13", "3.14", "3.15"] {
        let place = Place::new();
        let target = Target::start(&place, build, script);
        let summary = profile(&place, &[&target.pid(), "--mode", "gil", "--duration", "2s"]).ok().json();
        let activities = summary["activities"].as_object().unwrap();
        let of = |name: &str| activities.get(name).map_or(0.0, number);
        let waits = of("waiting for the GIL") / (of("waiting for the GIL") + of("running"));
        // Four threads want it and one has it: three quarters wait, but for the moments of handing over.
        assert!((0.5..0.95).contains(&waits), "{build}: {waits}: {summary}");
    }
    let place = Place::new();
    let target = Target::start(&place, "3.14t", script);
    let told = profile(&place, &[&target.pid(), "--mode", "gil"]).told(2);
    assert!(told.what.contains("no GIL"), "{told:?}");
}

#[test]
fn wrong_requests_are_told_so() {
    let place = Place::new();
    for (args, what) in [
        (&["profile"][..], "nothing to profile"),
        (&["profile", "1", "--rate", "fast"], "rate"),
        (&["profile", "1", "--rate", "0"], "rate"),
        (&["profile", "1", "--duration=-3s"], "duration"),
        (&["profile", "1", "--mode", "speed"], "mode"),
        (&["profile", "there-is-none.py"], "there is no file"),
        (&["profile", "1", "-o", "profile.doc"], "format"),
        (&["profile", "--replay", "there-is-none.ungil"], "cannot be read"),
    ] {
        let told = place.ungil(args.iter().copied()).run().told(2);
        assert!(told.what.contains(what), "{args:?}: {told:?}");
    }
    let told = place.ungil(["profile", "4000000"]).run().told(1);
    assert!(told.what.contains("4000000"), "{told:?}");
}

/// What is wrong with the request is said before the program has done anything.
#[test]
fn an_output_that_cannot_be_is_said_before_the_program_starts() {
    let place = Place::new();
    place.write("target.py", "open('ran', 'w').close()");
    std::fs::create_dir(place.path().join("folder.html")).unwrap();
    for output in ["out.unheard-of", "folder.html"] {
        let told = place.ungil(["profile", "target.py", "-o", output]).run().told(2);
        assert!(told.what.contains(output), "{told:?}");
    }
    place.ungil(["profile", "target.py", "--duration", "0"]).run().told(2);
    assert!(place.read("ran").is_none(), "the program ran");
}

#[test]
fn a_recording_that_is_not_complete_is_a_failure_and_one_is_named_where_another_file_fails() {
    let place = Place::new();
    let target = Target::start(&place, "3.14", WAITERS);
    let profile = |output: &str, format: &str| {
        place.ungil(["profile", &target.pid(), "--duration", "200ms", "-o", output, "--format", format]).run()
    };
    let out = profile("/dev/full", "recording");
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(out.stderr.contains("is not complete"), "{}", out.stderr);
    let told = profile("/dev/full", "collapsed").told(1);
    let words = format!("{told:?}");
    let recording = words.split_whitespace().find(|word| word.starts_with(".ungil/")).expect(&words);
    let recording = recording.trim_end_matches(':');
    place.ungil(["profile", "--replay", recording, "-o", "later.collapsed"]).run().ok();
    assert!(place.read("later.collapsed").is_some_and(|text| !text.is_empty()));
}

#[test]
fn what_was_not_there_is_named() {
    let place = Place::new();
    let target = Target::start(&place, "3.15t", "open('ready', 'w').close()\nimport time; time.sleep(1000)");
    let pid = target.pid();
    let none = profile(&place, &[&pid, "--duration", "300ms", "--threads", "nobody"]).ok().json();
    assert!(none["totals"]["notes"].to_string().contains("nobody"), "{none:#}");
    let none = profile(&place, &[&pid, "--duration", "2s", "--mode", "lock"]).ok().json();
    assert!(
        none["findings"][0]["text"].as_str().unwrap().contains("no thread waited for a lock"),
        "{none:#}"
    );
}

/// The profile ends, the program does not: its files are there all the same, and a signal ends both.
#[test]
fn a_program_that_outlives_its_profile_is_waited_for_until_a_signal() {
    let place = Place::new();
    place.write("target.py", "import time\nfor _ in range(300): time.sleep(1)");
    let args = ["profile", "target.py", "--duration", "200ms", "-o", "out.collapsed", "--python"];
    let ungil = Command::new(ungil_tests::binary())
        .args(args)
        .arg(python("3.14t"))
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the file", || place.read("out.collapsed").is_some());
    let mut ungil = Target(ungil);
    assert!(ungil.0.try_wait().unwrap().is_none());
    Command::new("kill").args(["-TERM", &ungil.pid()]).status().unwrap();
    assert!(ungil.0.wait().unwrap().success());
}
