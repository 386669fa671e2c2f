//! Helpers for tests of `ungil profile`: a target program, the command, and accessors for its
//! results.
#![allow(clippy::unwrap_used, dead_code)] // test helpers may unwrap; each test uses a part

use serde_json::Value;
use std::process::{Child, Command, Stdio};
use ungil_tests::{Out, TestDir, alive, eventually, python};

/// A target program; killed on drop.
pub(crate) struct ScriptTarget(pub(crate) Child);

impl ScriptTarget {
    /// Starts `script` and waits until it has created the file `ready`.
    pub(crate) fn start(dir: &TestDir, build: &str, script: &str) -> ScriptTarget {
        let path = dir.write("target.py", script);
        let child = Command::new(python(build))
            .arg(path)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the target starts");
        let target = ScriptTarget(child);
        eventually("the target is ready", || dir.read("ready").is_some());
        target
    }

    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }

    pub(crate) fn alive(&self) -> bool {
        alive(i32::try_from(self.0.id()).unwrap())
    }
}

impl Drop for ScriptTarget {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `ungil profile ARGS --json`.
pub(crate) fn profile(dir: &TestDir, args: &[&str]) -> Out {
    dir.ungil(["profile", "--json", "--quiet"]).args(args.iter().copied()).run()
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Returns a lock's share of the weight of all locks.
pub(crate) fn share(summary: &Value, name: &str) -> f64 {
    let locks = summary["locks"].as_array().unwrap();
    let total: f64 = locks.iter().map(|lock| number(&lock["weight"])).sum();
    let own = locks
        .iter()
        .filter(|lock| lock["name"] == name)
        .map(|lock| number(&lock["weight"]))
        .sum::<f64>();
    own / total
}

/// Returns a profile as collapsed stacks with their weights.
pub(crate) fn collapsed(dir: &TestDir, summary: &Value) -> Vec<(String, f64)> {
    let recording = summary["recording"].as_str().unwrap();
    dir.ungil(["profile", "--replay", recording, "-o", "stacks.collapsed"]).run().ok();
    let text = dir.read("stacks.collapsed").unwrap();
    text.lines()
        .map(|line| {
            let (stack, weight) = line.rsplit_once(' ').unwrap();
            (stack.to_string(), weight.parse().unwrap())
        })
        .collect()
}

/// Seven threads wait for one lock, two for another, one for a third, for as long as the program
/// runs.
pub(crate) const WAITERS: &str = "
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

/// A loop that is specialised at once, between two lines that never run.
pub(crate) const LINES: &str = "
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
