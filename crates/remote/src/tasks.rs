//! asyncio tasks: their coroutines, and which task awaits which.
//!
//! From 3.14 on, the accelerator module keeps the tasks of each thread in a list and has its own
//! offset table. The table has no cookie, but it contains the sizes of the interpreter's
//! structures, by which it is found.

mod awaiting;
mod running;

pub use running::RunningTask;

use crate::frames::{Frame, TAGS};
use crate::memory::ReadError;
use crate::python::{Interpreter, Python, Thread};
use cpython_layout::AsyncioOffsets;
use rustc_hash::FxHashMap;
use std::path::Path;
use thiserror::Error;

/// Maximum number of tasks per list.
const MAX_TASKS: usize = 1 << 20;
/// Maximum number of attempts to read a list to its end.
const ATTEMPTS: u32 = 4;
/// Maximum number of bytes searched in a data segment.
const MAX_DATA_SIZE: u64 = 64 << 20;

/// Reason why tasks are unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TasksError {
    /// 3.13 has no table.
    #[error("asyncio's tasks can be read from CPython 3.14 on")]
    TooOld,
    /// The accelerator module is not loaded.
    #[error("asyncio is not loaded")]
    NotLoaded,
    /// The process ended.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// The coroutine has not started.
    Created,
    /// The task is the one its thread is running.
    Running,
    /// The task awaits something, or is ready to run.
    Waiting,
}

/// An unfinished task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Address of the task object.
    pub address: u64,
    /// Task name: given by the program, or `Task-7`.
    pub name: String,
    /// Qualified name of its coroutine.
    pub coroutine: Option<String>,
    /// State of the task.
    pub state: TaskState,
    /// Kernel id of the thread whose loop runs it; `None` if that thread has ended.
    pub thread: Option<u32>,
    /// Tasks it awaits.
    pub awaits: Vec<u64>,
    /// Type name of what it awaits, if that is not a task.
    pub awaits_other: Option<String>,
    /// Tasks that await it.
    pub awaited_by: Vec<u64>,
    /// Its coroutines, innermost first. Empty for a running task, whose frames are its thread's.
    pub frames: Vec<Frame>,
}

/// Reads the tasks of one target.
#[derive(Debug, Clone)]
pub struct TaskReader {
    table: AsyncioOffsets,
}

impl TaskReader {
    /// Locates asyncio's table in the target.
    ///
    /// # Errors
    /// See [`TasksError`].
    pub fn find(python: &Python) -> Result<TaskReader, TasksError> {
        if !python.offsets().build.has_asyncio_table {
            return Err(TasksError::TooOld);
        }
        let regions = python.process().regions().map_err(|_| ReadError::Gone)?;
        let wanted = python.offsets().interpreter_state.size.to_le_bytes();
        for region in regions.iter().filter(|region| region.writable) {
            let is_module = region
                .file
                .as_deref()
                .and_then(Path::file_name)
                .is_some_and(|name| name.to_string_lossy().starts_with("_asyncio"));
            let is_runtime = (region.start..region.end).contains(&python.runtime());
            if !is_module && !is_runtime {
                continue;
            }
            let bytes = python.memory().vec(
                region.start,
                region.len().min(MAX_DATA_SIZE),
                MAX_DATA_SIZE as usize,
            )?;
            let table = (0..bytes.len().saturating_sub(AsyncioOffsets::SIZE))
                .step_by(8)
                .filter(|&at| {
                    bytes[at + AsyncioOffsets::INTERPRETER_SIZE_AT..].starts_with(&wanted)
                })
                .find_map(|at| {
                    AsyncioOffsets::parse(&bytes[at..]).filter(|table| is_sensible(table, python))
                });
            if let Some(table) = table {
                return Ok(TaskReader { table });
            }
        }
        Err(TasksError::NotLoaded)
    }

    /// Returns the unfinished tasks of an interpreter with these `threads`, and whether the result
    /// is complete: a list that changes during every attempt is not read to its end.
    ///
    /// # Errors
    /// The process ended.
    pub fn read(
        &self,
        python: &Python,
        interpreter: Interpreter,
        threads: &[Thread],
    ) -> Result<(Vec<Task>, bool), ReadError> {
        let mut tasks = Vec::new();
        let mut complete = true;
        for thread in threads {
            let head = thread.address.saturating_add(self.table.thread_tasks_head);
            let running = python
                .memory()
                .u64(thread.address.saturating_add(self.table.running_task))
                .unwrap_or(0);
            complete &=
                self.read_list(python, head, Some(thread.native_id), running, &mut tasks)?;
        }
        let head = interpreter.address.saturating_add(self.table.interpreter_tasks_head);
        complete &= self.read_list(python, head, None, 0, &mut tasks)?;
        link_tasks(&mut tasks);
        Ok((tasks, complete))
    }

    /// Reads one list, again if it changed meanwhile. Returns whether it was read completely.
    fn read_list(
        &self,
        python: &Python,
        head: u64,
        thread: Option<u32>,
        running: u64,
        tasks: &mut Vec<Task>,
    ) -> Result<bool, ReadError> {
        let before = tasks.len();
        for _ in 0..ATTEMPTS {
            tasks.truncate(before);
            if self.read_list_once(python, head, thread, running, tasks)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the list with its head at `head` once. Returns whether its end was reached.
    fn read_list_once(
        &self,
        python: &Python,
        head: u64,
        thread: Option<u32>,
        running: u64,
        tasks: &mut Vec<Task>,
    ) -> Result<bool, ReadError> {
        let memory = python.memory();
        let Ok(mut node) = memory.u64(head) else { return Ok(false) };
        let before = tasks.len();
        let max_len = before + MAX_TASKS;
        while node != head && node != 0 && tasks.len() < max_len {
            let address = node.wrapping_sub(self.table.task_node);
            let task = match self.task(python, address, thread, running) {
                Ok(task) => task,
                Err(error) if error.is_local() => return Ok(false),
                Err(error) => return Err(error),
            };
            let Ok(next) = memory.u64(node) else { return Ok(false) };
            // Each node must point back to the previous one. Otherwise the list was changed while
            // it was read: the task may have ended and its memory been reused.
            if memory.u64(next.saturating_add(8)).ok() != Some(node) {
                return Ok(false);
            }
            tasks.push(task);
            node = next;
        }
        // A list that was never used starts with NULL.
        Ok(node == head || tasks.len() == before)
    }

    fn task(
        &self,
        python: &Python,
        address: u64,
        thread: Option<u32>,
        running: u64,
    ) -> Result<Task, ReadError> {
        let (memory, objects) = (python.memory(), python.objects());
        let field = |offset: u64| memory.u64(address.saturating_add(offset));
        let name = field(self.table.task_name)?;
        // A default name is stored as a number.
        let name = running::string_name(python, name)
            .or_else(|| objects.int(name).map(|number| format!("Task-{number}")))
            .unwrap_or_else(|| "?".into());
        let mut task = Task {
            address,
            name,
            coroutine: None,
            state: if address == running { TaskState::Running } else { TaskState::Waiting },
            thread,
            awaits: Vec::new(),
            awaits_other: None,
            awaited_by: self.awaited_by(python, address)?,
            frames: Vec::new(),
        };
        self.coroutines(python, field(self.table.task_coro)? & !TAGS, &mut task);
        Ok(task)
    }
}

/// Returns whether a table that contains the interpreter's size is asyncio's: its other size must
/// fit a thread state with the fields that follow it.
fn is_sensible(table: &AsyncioOffsets, python: &Python) -> bool {
    table.thread_size > python.offsets().thread_state.size
        && table.thread_tasks_head >= python.offsets().thread_state.size
}

/// Completes the references in both directions: CPython stores them at the awaited task only.
/// Removes addresses that are not tasks.
fn link_tasks(tasks: &mut [Task]) {
    let known: FxHashMap<u64, usize> =
        tasks.iter().enumerate().map(|(index, task)| (task.address, index)).collect();
    let mut edges = Vec::new();
    for task in tasks.iter_mut() {
        task.awaited_by.retain(|by| known.contains_key(by));
        task.awaits.retain(|on| known.contains_key(on));
        if !task.awaits.is_empty() {
            task.awaits_other = None;
        }
        edges.extend(task.awaited_by.iter().filter_map(|by| Some((*known.get(by)?, task.address))));
    }
    for (waiter, awaited) in edges {
        if let Some(task) = tasks.get_mut(waiter)
            && !task.awaits.contains(&awaited)
        {
            task.awaits.push(awaited);
        }
    }
}
