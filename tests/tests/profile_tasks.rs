//! Tests `ungil profile` on asyncio programs with known behaviour: which task a thread runs, which
//! task awaits which, and the message for a Python whose tasks cannot be read.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::process::{Child, Command, Stdio};
use ungil_tests::{PYTHONS, TestDir, eventually, python};

/// Two tasks that share the processor 3 to 1 by their own measurement, a chain of three waiting
/// tasks, and many short ones.
const PROGRAM: &str = "
import asyncio, time
def burn(long):
    end = time.thread_time() + long
    while time.thread_time() < end:
        for _ in range(50): pass
async def more():
    while True:
        burn(0.009)
        await asyncio.sleep(0)
async def less():
    while True:
        burn(0.003)
        await asyncio.sleep(0)
async def inner():
    await asyncio.sleep(1000)
async def middle():
    await asyncio.create_task(inner(), name='deepest')
async def outer():
    await asyncio.create_task(middle())
async def passing():
    await asyncio.sleep(0)
async def main():
    kept = [asyncio.create_task(more(), name='greedy'), asyncio.create_task(less()),
            asyncio.create_task(outer(), name='first')]
    await asyncio.sleep(0.1)
    open('ready', 'w').close()
    while True:
        await asyncio.gather(*[passing() for _ in range(20)])
asyncio.run(main())
";

/// The profiled program; killed on drop.
struct AsyncioProgram(Child);

impl AsyncioProgram {
    fn start(dir: &TestDir, build: &str) -> AsyncioProgram {
        let path = dir.write("target.py", PROGRAM);
        let mut command = Command::new(python(build));
        let child = command.arg(path).current_dir(dir.path()).stdin(Stdio::null()).spawn();
        let target = AsyncioProgram(child.expect("the target starts"));
        eventually("the target is ready", || dir.read("ready").is_some());
        target
    }
}

impl Drop for AsyncioProgram {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the summary, and the stacks with their weights.
fn profile(dir: &TestDir, target: &AsyncioProgram, args: &[&str]) -> (Value, Vec<(String, f64)>) {
    let pid = target.0.id().to_string();
    let rest = ["--json", "--quiet", "--rate", "1khz", "-o", "stacks.collapsed"];
    let out = dir.ungil(["profile", &pid]).args(rest).args(args.iter().copied()).run().ok();
    let text = dir.read("stacks.collapsed").unwrap();
    let stacks = text.lines().map(|line| line.rsplit_once(' ').unwrap());
    let stacks =
        stacks.map(|(stack, weight)| (stack.to_string(), weight.parse().unwrap())).collect();
    (out.json(), stacks)
}

fn weight(stacks: &[(String, f64)], is: impl Fn(&str) -> bool) -> f64 {
    stacks.iter().filter(|(stack, _)| is(stack)).map(|(_, weight)| weight).sum()
}

#[test]
fn the_running_task_is_the_parent_frame_of_its_coroutines() {
    for build in PYTHONS {
        let dir = TestDir::new();
        let target = AsyncioProgram::start(&dir, build);
        let (_, stacks) = profile(&dir, &target, &["--mode", "cpu", "--duration", "2s"]);
        let greedy = weight(&stacks, |stack| stack.contains(";task greedy;more ("));
        let other = weight(&stacks, |stack| stack.contains(";task less;less ("));
        let share = greedy / (greedy + other);
        assert!((0.65..0.85).contains(&share), "{build}: {share}: {stacks:?}");
        // A task's coroutine always appears under that task.
        let work = weight(&stacks, |stack| stack.contains(";burn ("));
        assert!((greedy + other) / work > 0.9, "{build}: {stacks:?}");
        let wrong = |stack: &str| stack.contains("task greedy") && stack.contains(";less (");
        assert_eq!(weight(&stacks, wrong), 0.0, "{build}: {stacks:?}");
        let known = ["main", "greedy", "less", "first", "middle", "deepest", "passing"];
        let mut tasks = stacks
            .iter()
            .flat_map(|(stack, _)| stack.split(';').filter_map(|f| f.strip_prefix("task ")));
        assert!(tasks.all(|task| known.contains(&task)), "{build}: {stacks:?}");

        let (_, stacks) = profile(&dir, &target, &["--no-tasks", "--duration", "0.5s"]);
        assert!(!stacks.iter().any(|(stack, _)| stack.contains(";task ")), "{build}: {stacks:?}");
    }
}

#[test]
fn stacks_of_waiting_tasks_follow_their_awaiters() {
    for build in PYTHONS {
        let dir = TestDir::new();
        let target = AsyncioProgram::start(&dir, build);
        let (_, stacks) = profile(&dir, &target, &["--tasks", "--duration", "3s"]);
        let waits = "waiting tasks of MainThread;task first;outer (target.py:20);task middle;middle (target.py:18);\
                     task deepest;inner (target.py:16);sleep (";
        let seen = weight(&stacks, |stack| stack.starts_with(waits));
        let all = weight(&stacks, |stack| stack.starts_with("MainThread"));
        // A task that waits all the time has the weight of one thread.
        assert!((0.8..1.1).contains(&(seen / all)), "{build}: {seen} of {all}: {stacks:?}");
    }
}

#[test]
fn a_python_without_readable_tasks_is_reported() {
    let dir = TestDir::new();
    let target = AsyncioProgram::start(&dir, "3.13");
    for args in [&["--duration", "0.5s"][..], &["--duration", "0.5s", "--tasks"]] {
        let (summary, stacks) = profile(&dir, &target, args);
        let notes = summary["totals"]["notes"].to_string();
        assert!(notes.contains("CPython 3.14 or later"), "{summary}");
        assert!(!stacks.iter().any(|(stack, _)| stack.contains(";task ")), "{stacks:?}");
    }
}
