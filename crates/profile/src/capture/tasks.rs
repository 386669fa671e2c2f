//! The asyncio task that a thread runs, as a frame between the event loop's frames and the task's
//! own.
//!
//! A program may make a task for every request. What matters of those is which coroutine they run,
//! and ten thousand names would be ten thousand frames: a task that nobody named, and every one
//! past a bound, goes by its coroutine.

use super::places::Places;
use crate::Builder;
use crate::model::{FrameId, Kind};
use rustc_hash::FxHashMap;
use ungil_remote::Python;
use ungil_remote::sample::{Sampler, ThreadSlot};
use ungil_remote::tasks::{RunningTask, TaskReader, TasksError};

/// Different names that are kept.
const MOST_NAMES: usize = 256;
/// asyncio may be loaded later: it is looked for after this long, and again whenever the time has
/// doubled, in nanoseconds.
const SEEK_NS: u64 = 500_000_000;
/// How old the answer to whether a thread runs an event loop may be, in nanoseconds.
const LOOP_NS: u64 = 10_000_000;

/// What a profile tells of asyncio's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskMode {
    /// Nothing.
    No,
    /// The one that a thread runs is a frame of the thread's stack.
    Running,
    /// Those that wait, too, as stacks of their own, in [`crate::Mode::Wall`].
    All,
}

/// The tasks of one process.
#[derive(Default)]
pub(super) struct TaskFrames {
    tasks: Option<TaskReader>,
    /// 3.13, where they cannot be told.
    pub(super) is_too_old: bool,
    seek_ns: u64,
    names: FxHashMap<String, FrameId>,
}

/// What is known of the task of one thread.
#[derive(Debug, Default)]
pub(super) struct TaskTrack {
    has_loop: bool,
    asked_ns: u64,
    last: Option<(RunningTask, FrameId)>,
    here: Option<(usize, FrameId)>,
}

impl TaskFrames {
    /// asyncio's tasks, once it is loaded.
    pub(super) fn find(&mut self, python: &Python, at_ns: u64) -> Option<&TaskReader> {
        if self.tasks.is_none() && !self.is_too_old && at_ns >= self.seek_ns {
            self.seek_ns = at_ns.saturating_mul(2).max(SEEK_NS);
            match TaskReader::find(python) {
                Ok(tasks) => self.tasks = Some(tasks),
                Err(TasksError::TooOld) => self.is_too_old = true,
                Err(_) => {}
            }
        }
        self.tasks.as_ref()
    }

    /// The task that a thread runs: before which of its frames its own are, and its frame in the
    /// profile.
    pub(super) fn of(
        &mut self,
        slot: &ThreadSlot,
        track: &mut TaskTrack,
        looker: &Sampler,
        places: &mut Places,
        at_ns: u64,
        builder: &mut Builder,
    ) -> Option<(usize, FrameId)> {
        let python = looker.python();
        let tasks = self.find(python, at_ns)?;
        if slot.rest() > 0 {
            return track.here;
        }
        if track.asked_ns == 0 || at_ns.saturating_sub(track.asked_ns) > LOOP_NS {
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
                places.frame(first, looker, builder)?;
                let coroutine = places.place(first)?.code.qualname.clone();
                self.frame(name.as_deref(), Some(&coroutine), builder)
            }
        };
        track.last = Some((running, frame));
        track.here = Some((index, frame));
        track.here
    }

    /// The frame of the profile that stands for a task.
    pub(super) fn frame(
        &mut self,
        name: Option<&str>,
        coroutine: Option<&str>,
        builder: &mut Builder,
    ) -> FrameId {
        let given = name.filter(|name| !is_numbered(name) && !name.is_empty());
        let is_kept = given
            .is_some_and(|name| self.names.contains_key(name) || self.names.len() < MOST_NAMES);
        let name = given.filter(|_| is_kept).or(coroutine).unwrap_or("?");
        let function = builder.function(&format!("task {name}"), "", 0, Kind::Task);
        let frame = builder.frame(function, 0);
        if let Some(given) = given.filter(|_| is_kept) {
            self.names.insert(given.to_owned(), frame);
        }
        frame
    }
}

/// `Task-17`: the name that asyncio makes up for a task without one.
fn is_numbered(name: &str) -> bool {
    name.strip_prefix("Task-")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_numbered;

    #[test]
    fn names_that_asyncio_makes_up_are_told_from_given_ones() {
        assert!(is_numbered("Task-1") && is_numbered("Task-10000"));
        assert!(!is_numbered("Task-") && !is_numbered("Task-1a") && !is_numbered("worker-1"));
    }
}
