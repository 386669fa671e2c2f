//! The task that a thread is running, read with few system calls for thousands of looks per second.

use super::TaskReader;
use crate::frames::TAGS;
use crate::python::Python;

/// A running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningTask {
    /// Address of the task object.
    pub address: u64,
    /// Address of its coroutine's frame. The frame is part of the coroutine, so it identifies the
    /// task: a stack with this frame is the task's, and one without it was read at another moment.
    pub frame: u64,
    /// Address of its name: a `str` or an `int`.
    name: u64,
}

impl TaskReader {
    /// Returns the event loop that the thread whose state is at `thread` is running.
    #[must_use]
    pub fn running_loop(&self, python: &Python, thread: u64) -> Option<u64> {
        let found = python.memory().u64(thread.saturating_add(self.table.running_loop)).ok();
        found.filter(|&address| address != 0)
    }

    /// Returns the task that the thread whose state is at `thread` is running; `None` if there is
    /// none, or if it has ended since.
    #[must_use]
    pub fn running(&self, python: &Python, thread: u64) -> Option<RunningTask> {
        let memory = python.memory();
        let task = memory.u64(thread.saturating_add(self.table.running_task)).ok()?;
        let field = |offset: u64| memory.u64(task.saturating_add(offset)).ok();
        let frame = python.offsets().gen_object?.gi_iframe;
        (task != 0).then_some(())?;
        let coroutine = field(self.table.task_coro)? & !TAGS;
        let name = field(self.table.task_name)?;
        Some(RunningTask { address: task, frame: coroutine.checked_add(frame)?, name })
    }

    /// Returns the name of the task that the thread whose state is at `thread` is running. `None`
    /// for a default name, which is a number, and if the thread has switched to another task.
    #[must_use]
    pub fn name(&self, python: &Python, thread: u64, running: &RunningTask) -> Option<String> {
        string_name(python, running.name).filter(|_| self.running(python, thread) == Some(*running))
    }
}

/// Returns a name that is a `str`. The type is checked because a number may look like a string.
pub(super) fn string_name(python: &Python, name: u64) -> Option<String> {
    let is_text = python.objects().type_name(name).is_some_and(|kind| kind == "str");
    is_text.then(|| python.objects().text(name).ok()).flatten()
}
