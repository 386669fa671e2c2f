//! Shows waiting asyncio tasks as stacks of their own: the chain of awaiting tasks, down to the
//! line that awaits something other than a task.
//!
//! A waiting task is in no thread's stack, and reading one takes about thirty reads. So tasks are
//! sampled rarely, and each sample stands for the time since the previous one. They are reported
//! under a synthetic thread: a thousand tasks wait a thousand seconds per second, but the event
//! loop's thread has only one.

use super::tasks::TaskFrames;
use crate::Builder;
use crate::model::{Activity, FrameKind, Sample, StackId, Thread};
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Instant;
use ungil_remote::sample::Sampler;
use ungil_remote::tasks::{Task, TaskState};

/// Interval between two looks, in nanoseconds.
const INTERVAL_NS: u64 = 100_000_000;
/// At most 1/`COST_DIVISOR` of the time is spent on them.
const COST_DIVISOR: u64 = 20;
/// Maximum number of tasks in one stack.
const MAX_CHAIN: usize = 64;

/// When waiting tasks were last sampled, and when they are due again.
#[derive(Debug, Default)]
pub(super) struct WaitingTasks {
    last_ns: Option<u64>,
    next_ns: u64,
}

impl WaitingTasks {
    /// Samples once more for the time since the last look, if waiting tasks are sampled at all.
    pub(super) fn finish(
        &mut self,
        frames: &mut TaskFrames,
        sampler: &Sampler,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        if self.last_ns.is_some() {
            self.next_ns = 0;
            self.look(frames, sampler, pid, at_ns, builder);
        }
    }

    /// Samples the waiting tasks, if it is due.
    pub(super) fn look(
        &mut self,
        frames: &mut TaskFrames,
        sampler: &Sampler,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        if at_ns < self.next_ns {
            return;
        }
        let python = sampler.python();
        let Some(tasks) = frames.find(python, at_ns).cloned() else { return };
        let begin = Instant::now();
        let weight = at_ns.saturating_sub(self.last_ns.unwrap_or(at_ns));
        for interpreter in sampler.interpreters() {
            let Ok(threads) = python.threads(interpreter) else { continue };
            // If the task list keeps changing while it is read, some tasks are missing; the next
            // look has others.
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
        self.next_ns = at_ns.saturating_add(INTERVAL_NS.max(cost.saturating_mul(COST_DIVISOR)));
    }
}

/// Returns the name of the synthetic thread for the tasks of one thread.
fn name(pid: u32, thread: Option<u32>, builder: &Builder) -> String {
    let profile = builder.so_far();
    let Some(id) = thread else { return "waiting tasks of a thread that has ended".into() };
    let row = profile.threads.iter().find(|row| row.pid == pid && row.native_id == id);
    match row.map_or("", |row| profile.string(row.name)) {
        "" => format!("waiting tasks of thread {id}"),
        name => format!("waiting tasks of {name}"),
    }
}

/// Builds one stack for each task that awaits no other, and for each that is in none of those
/// stacks.
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
            if chain.len() >= MAX_CHAIN || chain.iter().any(|task| task.address == by.address) {
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
                let function = builder.function(
                    &code.qualname,
                    &code.file,
                    code.first_line,
                    FrameKind::Python,
                );
                let frame = builder.frame(function, frame.line.unwrap_or(0));
                stack = builder.stack(stack, frame);
            }
        }
        stacks.push((task.thread, stack));
    }
    stacks
}
