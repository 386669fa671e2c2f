//! Tests the wait metrics of `ungil compare`: their values in programs with known behaviour, and
//! the reason given where there are none. A thread that waits during a whole phase waits as long as
//! the phase lasts, however slow the machine, so the tests check shares, not times.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use ungil_tests::{PYTHONS, TestDir, metric};

const WAIT_METRICS: [&str; 4] = ["lock_wait_s", "gil_wait_s", "gc_s", "stop_world_s"];

/// Three threads wait for a lock during the whole phase, two for an event, one for a queue item,
/// one for a thread to end.
const WAITERS: &str = "
import queue, threading, time
from ungil_phase import phase
lock, event, items = threading.Lock(), threading.Event(), queue.Queue()
tried = threading.Semaphore(0)
def wait_for_lock():
    tried.release()
    with lock: pass
def wait_for_event():
    tried.release()
    event.wait()
def wait_for_item():
    tried.release()
    items.get()
work = [wait_for_lock] * 3 + [wait_for_event] * 2 + [wait_for_item]
with lock:
    threads = [threading.Thread(target=f, daemon=True) for f in work]
    for thread in threads: thread.start()
    joiner = threading.Thread(target=threads[0].join, daemon=True)
    joiner.start()
    for _ in work: tried.acquire()
    time.sleep(0.2)
    with phase():
        end = time.monotonic() + 2
        while time.monotonic() < end: time.sleep(0.05)
event.set(); items.put(1)
for thread in threads + [joiner]: thread.join()
print('done')
";

fn run(dir: &TestDir, python: &str, script: &str) -> Value {
    dir.write("w.py", script);
    dir.one_block(["w.py", "--python", python]).run().ok().record().run(python).clone()
}

#[test]
fn lock_waits_last_as_long_as_the_phase() {
    let dir = TestDir::new();
    for python in PYTHONS {
        let run = run(&dir, python, WAITERS);
        assert!(run["probes"]["wait_samples"].as_u64().unwrap() > 0, "{run}");
        let waiters = metric(&run, "lock_wait_s") / metric(&run, "wall_s");
        assert!(
            (2.7..=3.1).contains(&waiters),
            "{python}: {waiters} threads waited for locks, not 3: {run}"
        );
        assert!(metric(&run, "gil_wait_s") / metric(&run, "wall_s") < 0.5, "{run}");
    }
}

#[test]
fn gc_time_is_the_interpreters_own_where_available() {
    let dir = TestDir::new();
    let script = "
import gc
from ungil_phase import phase, metric
gc.disable()
def spent(): return sum(of['duration'] for of in gc.get_stats())
def rubbish():
    for _ in range(20000):
        a = []
        a.append(a)
rubbish(); gc.collect()
total = 0
for _ in range(2):
    with phase():
        before = spent()
        for _ in range(5): rubbish(); gc.collect()
        total += spent() - before
    rubbish(); gc.collect()
metric('own_s', total)
print('done')
";
    for python in ["3.15", "3.15t"] {
        let run = run(&dir, python, script);
        let (ours, own) = (metric(&run, "gc_s"), metric(&run, "own_s"));
        assert!(
            own > 0.0 && (ours - own).abs() < 1e-6,
            "{python}: {ours} s, the interpreter reports {own} s"
        );
    }
}

#[test]
fn long_collections_and_pauses_are_seen() {
    let dir = TestDir::new();
    // The collector traverses the same 400,000 objects again and again, which takes most of the
    // phase.
    let script = "
import gc, threading, time
from ungil_phase import phase
keep = [[] for _ in range(400_000)]
idle = threading.Event()
thread = threading.Thread(target=idle.wait)
thread.start()
with phase():
    end = time.monotonic() + 2
    while time.monotonic() < end: gc.collect()
idle.set()
print('done')
";
    for python in PYTHONS {
        let run = run(&dir, python, script);
        let share = |key: &str| metric(&run, key) / metric(&run, "wall_s");
        assert!(share("gc_s") > 0.5, "{python}: {run}");
        if python.ends_with('t') {
            assert!(share("stop_world_s") > 0.0, "{python}: {run}");
        } else {
            assert_eq!(share("stop_world_s"), 0.0, "{python}: {run}");
        }
    }
}

#[test]
fn busy_threads_wait_for_the_gil_only_where_there_is_one() {
    let dir = TestDir::new();
    let script = "
import threading, time
from ungil_phase import phase
end = None
def work():
    while time.monotonic() < end:
        for _ in range(1000): pass
with phase():
    end = time.monotonic() + 2
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print('done')
";
    for python in PYTHONS {
        let run = run(&dir, python, script);
        let waiters = metric(&run, "gil_wait_s") / metric(&run, "wall_s");
        if python.ends_with('t') {
            assert_eq!(waiters, 0.0, "{python}: {run}");
        } else {
            // One of four threads has the GIL. On a busy machine a thread that just acquired or
            // requested it is not seen waiting.
            assert!(
                (0.3..=4.0).contains(&waiters),
                "{python}: {waiters} threads waited for the GIL: {run}"
            );
        }
    }
}

#[test]
fn waits_of_children_count() {
    let dir = TestDir::new();
    let script = "
import os, sys, threading, time
from ungil_phase import phase
ready, go = os.pipe(), os.pipe()
children = []
with phase():
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            os.close(go[1])
            lock = threading.Lock()
            lock.acquire()
            threading.Thread(target=lock.acquire, daemon=True).start()
            os.write(ready[1], b'.')
            os.read(go[0], 1)
            os._exit(0)
        children.append(pid)
    seen = 0
    while seen < 2: seen += len(os.read(ready[0], 2))
    time.sleep(2)
os.close(go[1])
for pid in children: os.waitpid(pid, 0)
print('done')
";
    let run = run(&dir, "3.14", script);
    let waiters = metric(&run, "lock_wait_s") / metric(&run, "wall_s");
    assert!((1.0..=2.1).contains(&waiters), "one in each of two children, most of the time: {run}");
}

#[test]
fn an_arm_without_python_explains_missing_metrics() {
    let dir = TestDir::new();
    dir.write("w.py", "import time\ntime.sleep(0.5)\nprint('done')\n");
    let also = "native=sh -c 'sleep 0.5; echo done'";
    let record = dir.one_block(["w.py", "--python", "3.14", "--also", also]).run().ok().record();
    for key in WAIT_METRICS {
        let run = record.run("native");
        assert!(run["metrics"].get(key).is_none(), "{run}");
        assert!(
            run["missing"][key].as_str().unwrap().contains("none of its processes is CPython"),
            "{run}"
        );
        assert!(record.run("3.14")["missing"].get(key).is_none(), "{}", record.run("3.14"));
    }
}
