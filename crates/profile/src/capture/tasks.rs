//! Shows the asyncio task that a thread runs as a frame between the event loop's frames and the
//! task's own.
//!
//! A program may create a task for every request. Ten thousand task names would become ten thousand
//! frames, and what matters is the coroutine. So a task without an explicit name, and every name
//! beyond a bound, is shown by its coroutine.

use super::frame_table::FrameTable;
use crate::Builder;
use crate::model::{FrameId, FrameKind};
use rustc_hash::FxHashMap;
use ungil_remote::Python;
use ungil_remote::sample::{Sampler, ThreadSlot};
use ungil_remote::tasks::{RunningTask, TaskReader, TasksError};

/// Maximum number of different task names.
const MAX_NAMES: usize = 256;
/// Time before the second search for asyncio, which may be imported later, in nanoseconds. It is
/// repeated whenever the elapsed time has doubled.
const SECOND_SEARCH_NS: u64 = 500_000_000;
/// How long it is remembered whether a thread runs an event loop, in nanoseconds.
const LOOP_CACHE_NS: u64 = 10_000_000;

/// How to show asyncio tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskMode {
    /// Not at all.
    No,
    /// The running task is a frame of its thread's stack.
    Running,
    /// Waiting tasks are stacks of their own, too, in [`crate::Mode::Wall`].
    All,
}

/// The asyncio tasks of one process.
#[derive(Default)]
pub(super) struct TaskFrames {
    tasks: Option<TaskReader>,
    /// CPython 3.13 does not support reading tasks from outside.
    pub(super) is_unsupported: bool,
    next_search_ns: u64,
    names: FxHashMap<String, FrameId>,
}

/// The cached task of one thread.
#[derive(Debug, Default)]
pub(super) struct ThreadTask {
    has_loop: bool,
    asked_ns: u64,
    last: Option<(RunningTask, FrameId)>,
    here: Option<(usize, FrameId)>,
}

impl TaskFrames {
    /// Returns the task reader once asyncio is loaded.
    pub(super) fn find(&mut self, python: &Python, at_ns: u64) -> Option<&TaskReader> {
        if self.tasks.is_none() && !self.is_unsupported && at_ns >= self.next_search_ns {
            self.next_search_ns = at_ns.saturating_mul(2).max(SECOND_SEARCH_NS);
            match TaskReader::find(python) {
                Ok(tasks) => self.tasks = Some(tasks),
                Err(TasksError::TooOld) => self.is_unsupported = true,
                Err(_) => {}
            }
        }
        self.tasks.as_ref()
    }

    /// Returns the task that a thread runs: the index of its first frame, and the task's frame in
    /// the profile.
    pub(super) fn running(
        &mut self,
        slot: &ThreadSlot,
        track: &mut ThreadTask,
        sampler: &Sampler,
        frame_table: &mut FrameTable,
        at_ns: u64,
        builder: &mut Builder,
    ) -> Option<(usize, FrameId)> {
        let python = sampler.python();
        let tasks = self.find(python, at_ns)?;
        if slot.rest() > 0 {
            return track.here;
        }
        if track.asked_ns == 0 || at_ns.saturating_sub(track.asked_ns) > LOOP_CACHE_NS {
            track.asked_ns = at_ns.max(1);
            track.has_loop = tasks.running_loop(python, slot.thread.address).is_some();
        }
        track.here = None;
        if !track.has_loop {
            return None;
        }
        let running = tasks.running(python, slot.thread.address)?;
        let index = slot.frames().iter().position(|raw| raw.address == running.frame)?;
        let frame = match track.last {
            Some((last, frame)) if last == running => frame,
            _ => {
                let name = tasks.name(python, slot.thread.address, &running);
                let first = slot.frames().get(index)?;
                frame_table.frame(first, sampler, builder)?;
                let coroutine = frame_table.place(first)?.code.qualname.clone();
                self.frame(name.as_deref(), Some(&coroutine), builder)
            }
        };
        track.last = Some((running, frame));
        track.here = Some((index, frame));
        track.here
    }

    /// Returns the profile's frame for a task.
    pub(super) fn frame(
        &mut self,
        name: Option<&str>,
        coroutine: Option<&str>,
        builder: &mut Builder,
    ) -> FrameId {
        let given = name.filter(|name| !is_numbered(name) && !name.is_empty());
        let is_kept =
            given.is_some_and(|name| self.names.contains_key(name) || self.names.len() < MAX_NAMES);
        let name = given.filter(|_| is_kept).or(coroutine).unwrap_or("?");
        let function = builder.function(&format!("task {name}"), "", 0, FrameKind::Task);
        let frame = builder.frame(function, 0);
        if let Some(given) = given.filter(|_| is_kept) {
            self.names.insert(given.to_owned(), frame);
        }
        frame
    }
}

/// Returns whether a name is one that asyncio generates for unnamed tasks, such as `Task-17`.
fn is_numbered(name: &str) -> bool {
    name.strip_prefix("Task-")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_numbered;

    #[test]
    fn generated_names_are_recognized() {
        assert!(is_numbered("Task-1") && is_numbered("Task-10000"));
        assert!(!is_numbered("Task-") && !is_numbered("Task-1a") && !is_numbered("worker-1"));
    }
}
