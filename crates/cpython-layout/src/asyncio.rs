//! `_Py_AsyncioDebug`: offsets of asyncio's structures.
//!
//! From 3.14 on, the accelerator module `_asyncio` has its own offset table
//! (`Modules/_asynciomodule.c`) in the ELF section `.AsyncioDebug` of the extension module, or of
//! the interpreter if the module is linked statically. The table has neither a cookie nor a
//! version, so only its plausibility can be checked.

use crate::debug_offsets::MAX_STRUCTURE_SIZE;

/// Offsets of asyncio's structures, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsyncioOffsets {
    /// `sizeof(TaskObj)`.
    pub task_size: u64,
    /// `TaskObj.task_name`: a `str` or an `int`.
    pub task_name: u64,
    /// `TaskObj.task_awaited_by`: NULL, one task or a set of tasks.
    pub task_awaited_by: u64,
    /// `TaskObj.task_is_task`, one byte: 0 for a plain future.
    pub task_is_task: u64,
    /// `TaskObj.task_awaited_by_is_set`, one byte.
    pub task_awaited_by_is_set: u64,
    /// `TaskObj.task_coro`.
    pub task_coro: u64,
    /// `TaskObj.task_node`, a `struct llist_node` in the list of all tasks.
    pub task_node: u64,
    /// `sizeof(PyInterpreterState)`.
    pub interpreter_size: u64,
    /// `PyInterpreterState.asyncio_tasks_head`: tasks whose thread has ended.
    pub interpreter_tasks_head: u64,
    /// `sizeof(_PyThreadStateImpl)`.
    pub thread_size: u64,
    /// `_PyThreadStateImpl.asyncio_running_loop`.
    pub running_loop: u64,
    /// `_PyThreadStateImpl.asyncio_running_task`.
    pub running_task: u64,
    /// `_PyThreadStateImpl.asyncio_tasks_head`: the thread's tasks.
    pub thread_tasks_head: u64,
}

impl AsyncioOffsets {
    /// Size of the table in bytes.
    pub const SIZE: usize = 104;
    /// Offset of `interpreter_size` in the table.
    pub const INTERPRETER_SIZE_AT: usize = 56;

    /// Parses the table. Returns `None` if there are too few bytes or an offset lies outside its
    /// structure.
    pub fn parse(bytes: &[u8]) -> Option<AsyncioOffsets> {
        let mut words = bytes
            .get(..Self::SIZE)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&word| u64::from_le_bytes(word));
        let at = AsyncioOffsets {
            task_size: words.next()?,
            task_name: words.next()?,
            task_awaited_by: words.next()?,
            task_is_task: words.next()?,
            task_awaited_by_is_set: words.next()?,
            task_coro: words.next()?,
            task_node: words.next()?,
            interpreter_size: words.next()?,
            interpreter_tasks_head: words.next()?,
            thread_size: words.next()?,
            running_loop: words.next()?,
            running_task: words.next()?,
            thread_tasks_head: words.next()?,
        };
        let in_task = [
            at.task_name,
            at.task_awaited_by,
            at.task_is_task,
            at.task_awaited_by_is_set,
            at.task_coro,
            at.task_node,
        ];
        let in_thread = [at.running_loop, at.running_task, at.thread_tasks_head];
        let fits = in_task.iter().all(|&field| field < at.task_size)
            && at.interpreter_tasks_head < at.interpreter_size
            && in_thread.iter().all(|&field| field < at.thread_size)
            && [at.task_size, at.interpreter_size, at.thread_size]
                .iter()
                .all(|size| (1..=MAX_STRUCTURE_SIZE).contains(size));
        fits.then_some(at)
    }
}
