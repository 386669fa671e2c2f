//! Tests `ungil profile` on programs with known behaviour: by construction (a fixed number of
//! threads wait for a lock all the time) or because the program measures itself. The tests check
//! shares, not times, because a slow machine makes a profile longer but not wrong.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod profiles;

use profiles::{LINES, ScriptTarget, WAITERS, collapsed, number, profile, share};
use serde_json::Value;
use ungil_tests::{BUILDS, PYTHONS, TestDir, python};

#[test]
fn lock_waits_are_attributed_to_their_locks() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, WAITERS);
        let out =
            profile(&dir, &[&target.pid(), "--mode", "lock", "--duration", "2s", "--rate", "200"])
                .ok();
        let summary = out.json();
        for (name, truth) in [("cache_lock", 0.7), ("pool_lock", 0.2), ("log_lock", 0.1)] {
            let found = share(&summary, name);
            assert!(
                (found - truth).abs() < 0.03,
                "{build}: {name} has {found} of the waiting, not {truth}: {summary}"
            );
        }
        let findings = summary["findings"].to_string();
        assert!(findings.contains("cache_lock"), "{build}: {findings}");
        assert!(target.alive());
    }
}

/// One thread waits in turn for three locks, which another thread holds for 210, 60 and 30 ms. Both
/// measure: a wait ends at the release, because the time until the waiter is scheduled again is not
/// the lock's.
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

/// Maximum number of profiles until one sampled a sleeping waiter in time.
///
/// A sample stands for the time since the previous one, so a profiler that was not scheduled for
/// 200 ms cannot know what happened meanwhile; it counts and reports this as missed. Before it
/// sleeps, a thread of a free-threaded build yields its processor 40 times (`MAX_SPIN_COUNT` in
/// Python/lock.c). On a busy machine that takes longer than these waits, and the thread looks
/// running to every observer; the profile then sees less waiting in total than the program
/// measured.
const MAX_TRIES: usize = 20;

#[test]
fn known_hold_times_are_reported_within_three_points() {
    for build in BUILDS {
        let dir = TestDir::new();
        dir.write("held.py", HELD);
        let python = python(build).display().to_string();
        let on_time = |_| {
            let args = ["held.py", "--python", &python, "--mode", "lock", "--rate", "250"];
            let summary = profile(&dir, &args).ok().json();
            let (missed, taken) =
                (number(&summary["totals"]["missed"]), number(&summary["totals"]["captured"]));
            let truth: Value = serde_json::from_str(&dir.read("truth").unwrap()).unwrap();
            let total: f64 = truth.as_object().unwrap().values().map(number).sum();
            let slept = number(&summary["weight"]) / 1e9 > 0.97 * total;
            (missed < 0.02 * taken && slept).then_some((summary, truth, total))
        };
        let (summary, truth, total) =
            (0..MAX_TRIES).find_map(on_time).expect("no profile sampled a sleeping waiter in time");
        for (name, waited) in truth.as_object().unwrap() {
            let (found, truth) = (share(&summary, name), number(waited) / total);
            assert!(
                (found - truth).abs() < 0.03,
                "{build}: {name}: {found}, and it was {truth}: {summary}"
            );
        }
        let line = HELD.lines().position(|line| line.contains("# HERE")).unwrap() + 1;
        let findings = summary["findings"].to_string();
        assert!(
            findings.contains(&format!("held.py:{line}")),
            "{build}: the holder is at line {line}: {findings}"
        );
    }
}

/// Two functions alternate on the processor, 70 to 30 of a hundred, and each measures its own CPU
/// time.
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
fn cpu_time_is_attributed_to_its_functions() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, SHARES);
        let out =
            profile(&dir, &[&target.pid(), "--mode", "cpu", "--duration", "3s", "--rate", "1khz"])
                .ok();
        let stacks = collapsed(&dir, &out.json());
        let of = |name: &str| {
            stacks.iter().filter(|(s, _)| s.contains(name)).map(|(_, w)| w).sum::<f64>()
        };
        let share = of("more") / (of("more") + of("less"));
        // Three seconds are 300 turns. A preempted thread counts as running, which affects both in
        // proportion.
        assert!((0.6..0.8).contains(&share), "{build}: {share}: {stacks:?}");
        assert_eq!(of("never"), 0.0);
    }
}

#[test]
fn only_executed_lines_are_reported() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, LINES);
        let out = profile(&dir, &[&target.pid(), "--duration", "2s", "--rate", "1khz"]).ok();
        let stacks = collapsed(&dir, &out.json());
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
fn two_hundred_threads_are_named() {
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
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, script);
        let summary =
            profile(&dir, &[&target.pid(), "--duration", "1s", "--rate", "100"]).ok().json();
        let threads = summary["threads"].as_array().unwrap();
        let named = |n: u32| {
            threads.iter().any(|t| t["name"] == format!("worker {n}") && number(&t["weight"]) > 0.0)
        };
        assert!((0..200).all(named) && threads.len() == 201, "{build}: {threads:?}");
    }
}

#[test]
fn threads_and_code_can_come_and_go() {
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
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, script);
        let summary =
            profile(&dir, &[&target.pid(), "--duration", "2s", "--rate", "2khz"]).ok().json();
        assert!(target.alive());
        assert!(summary["threads"].as_array().unwrap().len() > 3, "{build}: {summary}");
        let stacks = collapsed(&dir, &summary);
        // A thread runs one of the two functions, or none while it waits or collects garbage. A
        // name read from freed code would be different.
        for (stack, _) in stacks.iter().filter(|(stack, _)| stack.contains("Thread.run")) {
            let inner = stack.split("Thread.run").nth(1).unwrap_or_default();
            let is_none =
                |name: &str| name.is_empty() || name.starts_with("[waiting for ") || name == "<GC>";
            let fits =
                |name: &str| name.contains("work") || name.contains("made_") || is_none(name);
            let called = inner.split(';').nth(1).unwrap_or_default();
            assert!(fits(called), "{build}: {stack}");
        }
    }
}

#[test]
fn garbage_collection_is_reported() {
    let script = "
import gc
kept = [[i] for i in range(300000)]
open('ready', 'w').close()
while True: gc.collect()
";
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, script);
        let summary =
            profile(&dir, &[&target.pid(), "--mode", "gc", "--duration", "2s"]).ok().json();
        assert!(number(&summary["pauses"]) > 0.0, "{build}: {summary}");
        assert!(
            collapsed(&dir, &summary).iter().any(|(stack, _)| stack.contains("<GC>")),
            "{build}"
        );
    }
}

#[test]
fn gil_waits_are_reported_on_builds_with_a_gil() {
    let script = "
import threading
def spin():
    while True: pass
for _ in range(3): threading.Thread(target=spin, daemon=True).start()
open('ready', 'w').close()
spin()
";
    for build in ["3.13", "3.14", "3.15"] {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, script);
        let summary =
            profile(&dir, &[&target.pid(), "--mode", "gil", "--duration", "2s"]).ok().json();
        let activities = summary["activities"].as_object().unwrap();
        let of = |name: &str| activities.get(name).map_or(0.0, number);
        let waits = of("gil") / (of("gil") + of("running"));
        // One of four threads has the GIL and three wait for it, except during hand-over.
        assert!((0.5..0.95).contains(&waits), "{build}: {waits}: {summary}");
    }
    let dir = TestDir::new();
    let target = ScriptTarget::start(&dir, "3.14t", script);
    let told = profile(&dir, &[&target.pid(), "--mode", "gil"]).expect_error(2);
    assert!(told.what.contains("no GIL"), "{told:?}");
}
