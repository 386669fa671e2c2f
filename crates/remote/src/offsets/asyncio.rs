//! `_Py_AsyncioDebug`: where asyncio keeps its tasks.
//!
//! The accelerator module `_asyncio` has a table of its own from 3.14 on (`Modules/_asynciomodule.c`), in the ELF section
//! `.AsyncioDebug` of the extension or, where the module is linked in, of the interpreter. It has no cookie and no version,
//! so that what it says is only checked for sense.

use super::LARGEST;

/// Where asyncio's structures have their fields, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsyncioOffsets {
    /// `sizeof(TaskObj)`.
    pub task_size: u64,
    /// `TaskObj.task_name`: a string or an int.
    pub task_name: u64,
    /// `TaskObj.task_awaited_by`: NULL, one task or a set of them.
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
    /// `PyInterpreterState.asyncio_tasks_head`: tasks whose thread is gone.
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
    /// Bytes of the table.
    pub const SIZE: usize = 104;

    /// Reads the table; `None` if there are too few bytes or an offset lies outside its structure.
    pub fn parse(bytes: &[u8]) -> Option<AsyncioOffsets> {
        let (words, _) = bytes.get(..Self::SIZE)?.as_chunks::<8>();
        let words: &[[u8; 8]; 13] = words.try_into().ok()?;
        let [
            task_size,
            task_name,
            task_awaited_by,
            task_is_task,
            task_awaited_by_is_set,
            task_coro,
            task_node,
            interpreter_size,
            interpreter_tasks_head,
            thread_size,
            running_loop,
            running_task,
            thread_tasks_head,
        ] = words.map(u64::from_le_bytes);
        let in_task =
            [task_name, task_awaited_by, task_is_task, task_awaited_by_is_set, task_coro, task_node];
        let fits = in_task.iter().all(|&at| at < task_size)
            && interpreter_tasks_head < interpreter_size
            && [running_loop, running_task, thread_tasks_head].iter().all(|&at| at < thread_size)
            && [task_size, interpreter_size, thread_size].iter().all(|&size| (1..=LARGEST).contains(&size));
        fits.then_some(AsyncioOffsets {
            task_size,
            task_name,
            task_awaited_by,
            task_is_task,
            task_awaited_by_is_set,
            task_coro,
            task_node,
            interpreter_size,
            interpreter_tasks_head,
            thread_size,
            running_loop,
            running_task,
            thread_tasks_head,
        })
    }
}
