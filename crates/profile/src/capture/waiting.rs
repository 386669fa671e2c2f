//! asyncio's tasks that wait, as stacks of their own: who awaits whom, down to the line that awaits
//! something else than a task.
//!
//! Tasks are in no thread while they wait, and to read them takes some thirty reads a task, so they
//! are looked at seldom and each look stands for the time since the one before. Their rows are
//! those of a thread that there is not: the loop's own row is its time, of which it has only one
//! second a second, while a thousand tasks wait a thousand.

use super::tasks::TaskFrames;
use crate::Builder;
use crate::model::{Activity, Kind, Sample, StackId, Thread};
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Instant;
use ungil_remote::sample::Sampler;
use ungil_remote::tasks::{Task, TaskState};

/// The time between two looks, in nanoseconds.
const EVERY_NS: u64 = 100_000_000;
/// And at most one part in this many of the time is spent on them.
const SHARE: u64 = 20;
/// Tasks of one stack.
const LONGEST: usize = 64;

/// When waiting tasks were looked at, and when they will be.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last_ns: Option<u64>,
    next_ns: u64,
}

impl Waiting {
    /// Looks once more, for the time since the last look, if waiting tasks are looked at.
    pub(super) fn finish(
        &mut self,
        frames: &mut TaskFrames,
        looker: &Sampler,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        if self.last_ns.is_some() {
            self.next_ns = 0;
            self.look(frames, looker, pid, at_ns, builder);
        }
    }

    /// Makes samples of the tasks that wait, if it is time.
    pub(super) fn look(
        &mut self,
        frames: &mut TaskFrames,
        looker: &Sampler,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        if at_ns < self.next_ns {
            return;
        }
        let python = looker.python();
        let Some(tasks) = frames.find(python, at_ns).cloned() else { return };
        let begin = Instant::now();
        let weight = at_ns.saturating_sub(self.last_ns.unwrap_or(at_ns));
        for interpreter in looker.interpreters() {
            let Ok(threads) = python.threads(interpreter) else { continue };
            // A list that changes whenever it is read gives some of its tasks; the next look gives
            // others.
            let Ok((found, _)) = tasks.read(python, interpreter, &threads) else { continue };
            for (thread, stack) in stacks(&found, frames, builder) {
                let name = name(pid, thread, builder);
                let thread = builder.thread(pid, Thread::TASKS | thread.unwrap_or(0), &name);
                let (activity, lock, holder) = (Activity::EVENT, None, None);
                if weight > 0 {
                    builder.sample(Sample { at_ns, weight, thread, stack, activity, lock, holder });
                }
            }
        }
        self.last_ns = Some(at_ns);
        let cost = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.next_ns = at_ns.saturating_add(EVERY_NS.max(cost.saturating_mul(SHARE)));
    }
}

/// What the rows of the tasks of one thread are called.
fn name(pid: u32, thread: Option<u32>, builder: &Builder) -> String {
    let profile = builder.so_far();
    let Some(id) = thread else { return "waiting tasks of a thread that has ended".into() };
    let row = profile.threads.iter().find(|row| row.pid == pid && row.native_id == id);
    match row.map_or("", |row| profile.string(row.name)) {
        "" => format!("waiting tasks of thread {id}"),
        name => format!("waiting tasks of {name}"),
    }
}

/// One stack for each task that awaits no other, and for each that is on none of those.
fn stacks(
    tasks: &[Task],
    frames: &mut TaskFrames,
    builder: &mut Builder,
) -> Vec<(Option<u32>, StackId)> {
    let known: FxHashMap<u64, &Task> = tasks.iter().map(|task| (task.address, task)).collect();
    let mut seen = FxHashSet::default();
    let mut stacks = Vec::new();
    let waiting = || tasks.iter().filter(|task| task.state != TaskState::Running);
    let leaves = waiting().filter(|task| task.awaits.is_empty());
    for task in leaves.chain(waiting().filter(|task| !task.awaits.is_empty())) {
        if seen.contains(&task.address) {
            continue;
        }
        let mut chain: Vec<&Task> = vec![task];
        let mut next = task.awaited_by.first();
        while let Some(by) = next.and_then(|by| known.get(by)) {
            if chain.len() >= LONGEST || chain.iter().any(|task| task.address == by.address) {
                break;
            }
            chain.push(by);
            next = by.awaited_by.first();
        }
        let mut stack = StackId::EMPTY;
        for task in chain.iter().rev() {
            seen.insert(task.address);
            let frame = frames.frame(Some(&task.name), task.coroutine.as_deref(), builder);
            stack = builder.stack(stack, frame);
            for frame in task.frames.iter().rev() {
                let code = &frame.code;
                let function =
                    builder.function(&code.qualname, &code.file, code.first_line, Kind::Python);
                let frame = builder.frame(function, frame.line.unwrap_or(0));
                stack = builder.stack(stack, frame);
            }
        }
        stacks.push((task.thread, stack));
    }
    stacks
}
