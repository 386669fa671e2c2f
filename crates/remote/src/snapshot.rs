//! Everything one look finds, as plain data under documented names: schema `ungil.dump/2`.
//!
//! Addresses are `0x...` in lower case, which is what `hex(id(object))` gives in the target. What
//! could not be told is `null`.

mod lock_order;
mod make;
mod tasks;

pub use lock_order::{
    LockOrderView, LockOrders, LockView, OrderEdgeView, lock_orders, watch_lock_order,
};
pub use make::{Options, take};

use crate::corefile::{CoreFile, Death};
use crate::locks::Confidence;
use crate::thread_state::ThreadState;
use crate::unicode::decoded;
use crate::wait_target::WaitTarget;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;

/// A snapshot of one process.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// `ungil.dump/2`.
    pub schema: &'static str,
    /// The process.
    pub pid: u32,
    /// The core file that it was read from; a live process has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<CoreView>,
    /// Its CPython's version.
    pub python: String,
    /// Built without a GIL.
    pub free_threaded: bool,
    /// `on` or `off`: whether a GIL is in use.
    pub gil: &'static str,
    /// The program, as the target's own mount namespace names it.
    pub executable: String,
    /// Its arguments.
    pub command: Vec<String>,
    /// How long the look took, seconds.
    pub look_s: f64,
    /// Threads that moved on in every attempt to read them.
    pub torn: u32,
    /// The interpreters, the main one first.
    pub interpreters: Vec<InterpreterView>,
    /// asyncio's tasks.
    pub tasks: Vec<TaskView>,
    /// Cycles of threads that wait for each other, each confirmed by a second look.
    pub deadlocks: Vec<DeadlockView>,
    /// Threads that wait for what nobody in the process can release, each confirmed by a second
    /// look.
    pub stranded: Vec<StrandedView>,
    /// Lock orders that could deadlock, where they were watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_order: Option<Vec<LockOrderView>>,
    /// Cycles of tasks that await each other, by their ids.
    pub task_cycles: Vec<Vec<String>>,
    /// What could not be read, and what is doubtful.
    pub warnings: Vec<String>,
}

/// A core file.
#[derive(Debug, Clone, Serialize)]
pub struct CoreView {
    /// Its path, as it was given.
    pub file: String,
    /// The signal that killed the process, and the thread that got it; `None` where it was not
    /// killed, as with `gcore`.
    pub killed: Option<Death>,
}

impl CoreView {
    /// Returns what is said of `core`.
    #[must_use]
    pub fn new(core: &CoreFile) -> CoreView {
        CoreView {
            file: decoded(core.path().as_os_str().as_bytes()),
            killed: core.death().cloned(),
        }
    }
}

/// An interpreter.
#[derive(Debug, Clone, Serialize)]
pub struct InterpreterView {
    /// 0 is the main one.
    pub id: i64,
    /// Its threads, oldest first.
    pub threads: Vec<ThreadView>,
}

/// A thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadView {
    /// `threading.Thread.name`; what the kernel calls it where Python has no name for it.
    pub name: String,
    /// `threading.get_native_id()`.
    pub native_id: u32,
    /// The same as it is counted here, where that is another number: the target is in a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// `threading.get_ident()`.
    pub ident: u64,
    /// The interpreter whose code the thread runs, where it has entered another one from here; it
    /// is among that one's threads too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entered: Option<i64>,
    /// What it is doing.
    pub state: ThreadState,
    /// The system call it sleeps in.
    pub system_call: Option<String>,
    /// It is on a processor, or waits for one.
    pub cpu: bool,
    /// Its frames, innermost first.
    pub frames: Vec<FrameView>,
    /// The frames may never have been so at one time.
    pub torn: bool,
    /// C and Python frames together, innermost first, where C frames were asked for and could be
    /// read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<Vec<RowView>>,
    /// What it waits for.
    pub waits: Option<WaitView>,
    /// What it holds.
    pub holds: Vec<HoldView>,
}

/// A frame.
#[derive(Debug, Clone, Serialize)]
pub struct FrameView {
    /// Its qualified name.
    pub function: String,
    /// Its file, as the target has it.
    pub file: String,
    /// The line it is at.
    pub line: Option<u32>,
    /// That line, without the blanks around it.
    pub source: Option<String>,
}

/// A row of a stack of both kinds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowView {
    /// The Python frame with this index in `frames`.
    Python(usize),
    /// A C frame.
    Native {
        /// The function, where the file has a symbol for it.
        symbol: Option<String>,
        /// The file its code is from.
        file: Option<String>,
        /// Where in the file's image it is.
        offset: u64,
    },
}

/// What a thread waits for.
#[derive(Debug, Clone, Serialize)]
pub struct WaitView {
    /// The object.
    pub lock: String,
    /// What it is.
    pub kind: WaitTarget,
    /// What the program calls it.
    pub name: Option<String>,
    /// Another thread has it and gives it back; otherwise the wait is for something to happen.
    pub contention: bool,
    /// For how long it has waited, where the runtime keeps that.
    pub seconds: Option<f64>,
    /// It will give up by itself.
    pub timed: bool,
    /// In so many seconds, where that can be told.
    pub left_s: Option<f64>,
    /// The frame that waits, counted from the innermost.
    pub frame: Option<usize>,
    /// Who has it; empty where that cannot be told.
    pub holders: Vec<HolderView>,
}

/// A thread that has what another waits for.
#[derive(Debug, Clone, Serialize)]
pub struct HolderView {
    /// `threading.get_native_id()` of the holder.
    pub native_id: u32,
    /// Its name.
    pub name: String,
    /// How surely it is the one.
    pub confidence: Confidence,
    /// Its frame that holds it, counted from the innermost.
    pub frame: Option<usize>,
    /// The asyncio task that has it while it awaits something; the thread's event loop alone can
    /// resume it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// Something a thread holds.
#[derive(Debug, Clone, Serialize)]
pub struct HoldView {
    /// The object.
    pub lock: String,
    /// What it is.
    pub kind: WaitTarget,
    /// What the program calls it.
    pub name: Option<String>,
    /// How often it was acquired.
    pub depth: u32,
    /// How surely this is known.
    pub confidence: Confidence,
    /// The frame that holds it, counted from the innermost; `None` where that cannot be told.
    pub frame: Option<usize>,
}

/// An asyncio task by name.
#[derive(Debug, Clone, Serialize)]
pub struct TaskName {
    /// The task object.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An asyncio task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskView {
    /// The task object.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The qualified name of its coroutine.
    pub coroutine: Option<String>,
    /// `created`, `running` or `waiting`.
    pub state: &'static str,
    /// The thread whose loop runs it (`native_id`).
    pub thread: Option<u32>,
    /// Tasks it awaits.
    pub awaits: Vec<String>,
    /// What it awaits that is no task: the type's name.
    pub awaits_other: Option<String>,
    /// Tasks that await it.
    pub awaited_by: Vec<String>,
    /// Its coroutines, innermost first.
    pub frames: Vec<FrameView>,
}

/// A cycle of threads, each waiting for what the next one has.
#[derive(Debug, Clone, Serialize)]
pub struct DeadlockView {
    /// In the order of waiting.
    pub edges: Vec<EdgeView>,
}

/// A thread that waits for what nobody in its process can release.
#[derive(Debug, Clone, Serialize)]
pub struct StrandedView {
    /// Who waits.
    pub native_id: u32,
    /// Its name.
    pub thread: String,
    /// For what.
    pub waits_for: String,
    /// What that is.
    pub kind: WaitTarget,
    /// What the program calls it.
    pub name: Option<String>,
    /// The process that this one was forked from while a thread there held it; `None` where the
    /// process was not forked and its only thread waits.
    pub forked_from: Option<u32>,
    /// The parent's thread that has it (`get_native_id()`), where the parent still lives and can
    /// say.
    pub held_by: Option<u32>,
    /// That thread's name.
    pub holder: Option<String>,
}

/// One wait of a deadlock.
#[derive(Debug, Clone, Serialize)]
pub struct EdgeView {
    /// Who waits.
    pub native_id: u32,
    /// Its name.
    pub thread: String,
    /// For what.
    pub waits_for: String,
    /// What that is.
    pub kind: WaitTarget,
    /// What the program calls it.
    pub name: Option<String>,
    /// Who has it.
    pub held_by: u32,
    /// That thread's name.
    pub holder: String,
    /// How surely.
    pub confidence: Confidence,
    /// The asyncio task that has it while it awaits something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

impl Snapshot {
    /// Returns whether there is a wait that does not end by itself.
    #[must_use]
    pub fn has_deadlock(&self) -> bool {
        !self.deadlocks.is_empty() || !self.stranded.is_empty() || !self.task_cycles.is_empty()
    }

    /// Every thread.
    pub fn threads(&self) -> impl Iterator<Item = &ThreadView> {
        self.interpreters.iter().flat_map(|interpreter| &interpreter.threads)
    }
}
