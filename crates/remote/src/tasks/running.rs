//! The task that a thread runs at the moment: what a look that is taken thousands of times a second
//! can afford to read.

use super::Tasks;
use crate::frames::TAGS;
use crate::python::Python;

/// A task that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The task object.
    pub address: u64,
    /// Where the frame of its coroutine is. It lies in the coroutine, so no other task's is there:
    /// a stack that has this frame is this task's, and one that has not was read at another moment.
    pub frame: u64,
    /// Its name: a string or a number.
    name: u64,
}

impl Tasks {
    /// The event loop that the thread whose state is at `thread` runs.
    #[must_use]
    pub fn running_loop(&self, python: &Python, thread: u64) -> Option<u64> {
        let found = python.memory().u64(thread.saturating_add(self.table.running_loop)).ok();
        found.filter(|&address| address != 0)
    }

    /// The task that the thread whose state is at `thread` runs; `None` while it runs none, and for
    /// a task that has ended since.
    #[must_use]
    pub fn running(&self, python: &Python, thread: u64) -> Option<Running> {
        let memory = python.memory();
        let task = memory.u64(thread.saturating_add(self.table.running_task)).ok()?;
        let field = |offset: u64| memory.u64(task.saturating_add(offset)).ok();
        let frame = python.offsets().gen_object?.gi_iframe;
        (task != 0).then_some(())?;
        let coroutine = field(self.table.task_coro)? & !TAGS;
        let name = field(self.table.task_name)?;
        Some(Running { address: task, frame: coroutine.checked_add(frame)?, name })
    }

    /// The name of the task that the thread whose state is at `thread` runs, where somebody gave it
    /// one: else it is a number. `None` also where the thread has gone on to another task.
    #[must_use]
    pub fn name(&self, python: &Python, thread: u64, running: &Running) -> Option<String> {
        given(python, running.name).filter(|_| self.running(python, thread) == Some(*running))
    }
}

/// A name that is a string. A number looks like one here and there, so it is the type that decides.
pub(super) fn given(python: &Python, name: u64) -> Option<String> {
    let is_text = python.objects().type_name(name).is_some_and(|kind| kind == "str");
    is_text.then(|| python.objects().text(name).ok()).flatten()
}
