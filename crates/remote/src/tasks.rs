//! asyncio's tasks: what each runs, and who awaits whom.
//!
//! From 3.14 on the accelerator module keeps the tasks of each thread in a list and says where its
//! fields are, in a table of its own. The table has no cookie, but it repeats the sizes of the
//! interpreter's structures, and by those it is found.

mod running;

pub use running::Running;

use crate::frames::{Frame, TAGS};
use crate::memory::{ReadError, word};
use crate::python::{Interpreter, Python, Thread};
use cpython_layout::{AsyncioOffsets, FrameState};
use rustc_hash::FxHashMap;
use std::path::Path;
use thiserror::Error;

/// Tasks of one list.
const MOST_TASKS: usize = 1 << 20;
/// Attempts to read a list to its end.
const ATTEMPTS: u32 = 4;
/// Coroutines that await each other, and tasks that await one.
const DEEPEST: usize = 1 << 12;
/// A data segment larger than this is not searched.
const MOST_DATA: u64 = 64 << 20;

/// Why tasks cannot be told.
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

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Its coroutine has not begun.
    Created,
    /// It is the one its thread runs at the moment.
    Running,
    /// It awaits something, or awaits its turn.
    Waiting,
}

/// A task that has not finished.
#[derive(Debug, Clone)]
pub struct Task {
    /// The task object.
    pub address: u64,
    /// Its name: given, or `Task-7`.
    pub name: String,
    /// The qualified name of its coroutine.
    pub coroutine: Option<String>,
    /// What it is doing.
    pub state: TaskState,
    /// The kernel's number of the thread whose loop runs it; `None` when that thread is gone.
    pub thread: Option<u32>,
    /// Tasks it awaits.
    pub awaits: Vec<u64>,
    /// What it awaits that is no task: the type's name.
    pub awaits_other: Option<String>,
    /// Tasks that await it.
    pub awaited_by: Vec<u64>,
    /// Its coroutines, innermost first. Empty for one that runs: its frames are its thread's.
    pub frames: Vec<Frame>,
}

/// Reads the tasks of one target.
#[derive(Debug, Clone)]
pub struct Tasks {
    table: AsyncioOffsets,
}

impl Tasks {
    /// Finds asyncio's table in the target.
    ///
    /// # Errors
    /// See [`TasksError`].
    pub fn find(python: &Python) -> Result<Tasks, TasksError> {
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
                region.len().min(MOST_DATA),
                MOST_DATA as usize,
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
                return Ok(Tasks { table });
            }
        }
        Err(TasksError::NotLoaded)
    }

    /// Every task of an interpreter that has not finished, with `threads` its threads; and whether
    /// those are all: a list that changes whenever it is read is not read to its end.
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
            complete &= self.whole(python, head, Some(thread.native_id), running, &mut tasks)?;
        }
        let head = interpreter.address.saturating_add(self.table.interpreter_tasks_head);
        complete &= self.whole(python, head, None, 0, &mut tasks)?;
        link(&mut tasks);
        Ok((tasks, complete))
    }

    /// The tasks of one list, read again where it changed meanwhile; whether that is all of them.
    fn whole(
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
            if self.list(python, head, thread, running, tasks)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The tasks of one list, whose head is at `head`, and whether it came to its end.
    fn list(
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
        let most = before + MOST_TASKS;
        while node != head && node != 0 && tasks.len() < most {
            let address = node.wrapping_sub(self.table.task_node);
            let task = match self.task(python, address, thread, running) {
                Ok(task) => task,
                Err(error) if error.is_local() => return Ok(false),
                Err(error) => return Err(error),
            };
            let Ok(next) = memory.u64(node) else { return Ok(false) };
            // A node points back at the one it came from, or the list was changed under the reader:
            // the task may have ended, and what was read of it be another's.
            if memory.u64(next.saturating_add(8)).ok() != Some(node) {
                return Ok(false);
            }
            tasks.push(task);
            node = next;
        }
        // A list never used begins with null.
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
        // A name that nobody asked for is still a number.
        let name = running::given(python, name)
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

    /// Follows a coroutine to what it awaits, and that to what it awaits.
    fn coroutines(&self, python: &Python, first: u64, task: &mut Task) {
        let Some(at) = python.offsets().gen_object else { return };
        let (memory, objects, walker) = (python.memory(), python.objects(), python.walker());
        let (layout, mut next) = (python.offsets().build.frame, first);
        for depth in 0..DEEPEST {
            let Some(kind) = objects.type_name(next) else { return };
            if !matches!(kind.as_str(), "coroutine" | "generator" | "async_generator") {
                match kind.as_str() {
                    // {header, the future}: what `await future` leaves on the stack.
                    "_asyncio.FutureIter" => {
                        let future = memory
                            .u64(next.saturating_add(python.offsets().pyobject.size))
                            .unwrap_or(0);
                        task.awaits.push(future);
                        task.awaits_other = objects.type_name(future);
                    }
                    _ => task.awaits_other = Some(kind),
                }
                return;
            }
            if depth == 0 {
                let name = memory.u64(next.saturating_add(at.gi_name)).ok();
                task.coroutine = name.and_then(|name| objects.text(name).ok());
            }
            let Ok(state) = memory.u8(next.saturating_add(at.gi_frame_state)) else { return };
            let state = layout.state(state);
            if depth == 0 && state == FrameState::Created {
                task.state = TaskState::Created;
            }
            if matches!(state, FrameState::Executing | FrameState::Finished) {
                return;
            }
            let Ok(frame) = walker.one(next.saturating_add(at.gi_iframe)) else { return };
            if depth == 0 {
                task.coroutine = Some(frame.code.qualname.clone());
            }
            let top =
                frame.stack.1.and_then(|depth| u64::from(depth).checked_sub(layout.awaited_slot));
            let top = top.map(|slot| frame.stack.0.saturating_add(8 * slot));
            task.frames.insert(0, frame);
            if state != FrameState::Awaiting {
                return;
            }
            let Some(awaited) = top.and_then(|slot| memory.u64(slot).ok()) else { return };
            next = awaited & !TAGS;
        }
    }

    /// The tasks that await the one at `address`.
    fn awaited_by(&self, python: &Python, address: u64) -> Result<Vec<u64>, ReadError> {
        let memory = python.memory();
        let by = memory.u64(address.saturating_add(self.table.task_awaited_by))?;
        if by == 0 {
            return Ok(Vec::new());
        }
        if memory.u8(address.saturating_add(self.table.task_awaited_by_is_set))? == 0 {
            return Ok(vec![by]);
        }
        let Some(at) = python.offsets().set_object else { return Ok(Vec::new()) };
        let mask = memory.u64(by.saturating_add(at.mask))?.min(DEEPEST as u64);
        let table = memory.u64(by.saturating_add(at.table))?;
        // An entry is a key and its hash; a key that was taken out is a static dummy object, which
        // no task is.
        let bytes = memory.vec(table, (mask + 1) * 16, (DEEPEST + 1) * 16)?;
        Ok(bytes.chunks_exact(16).map(|entry| word(entry, 0)).filter(|&key| key != 0).collect())
    }
}

/// Whether a table that repeats the interpreter's size is asyncio's: its other size is that of a
/// thread state with what follows it.
fn is_sensible(table: &AsyncioOffsets, python: &Python) -> bool {
    table.thread_size > python.offsets().thread_state.size
        && table.thread_tasks_head >= python.offsets().thread_state.size
}

/// Who awaits whom is kept by the awaited; here each task learns what it awaits, and addresses that
/// are no task's go.
fn link(tasks: &mut [Task]) {
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
