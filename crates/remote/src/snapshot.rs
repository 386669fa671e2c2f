//! A snapshot of a process as plain data with documented names: schema `ungil.dump/2`.
//!
//! Addresses are formatted as `0x...` in lower case, like `hex(id(object))` in the target. Unknown
//! values are `null`.

mod builder;
mod lock_order;
mod tasks;
mod warnings;

pub use builder::{SnapshotOptions, take_snapshot};
pub use lock_order::{
    LockOrderView, LockOrders, LockView, OrderEdgeView, lock_orders, watch_lock_order,
};

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
    /// Process id.
    pub pid: u32,
    /// The core file; none for a live process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<CoreView>,
    /// CPython version.
    pub python: String,
    /// Whether it is built without a GIL.
    pub free_threaded: bool,
    /// `on` or `off`: whether a GIL is in use.
    pub gil: &'static str,
    /// Path of the executable in the target's own mount namespace.
    pub executable: String,
    /// Command line.
    pub command: Vec<String>,
    /// Duration of the look in seconds.
    pub look_s: f64,
    /// Number of threads that moved on in every attempt to read them.
    pub torn: u32,
    /// Interpreters, the main one first.
    pub interpreters: Vec<InterpreterView>,
    /// asyncio tasks.
    pub tasks: Vec<TaskView>,
    /// Cycles of threads that wait for each other, each confirmed by a second look.
    pub deadlocks: Vec<DeadlockView>,
    /// Threads that wait for something that no thread in the process can release, each confirmed by
    /// a second look.
    pub stranded: Vec<StrandedView>,
    /// Lock orders that could deadlock, if they were watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_order: Option<Vec<LockOrderView>>,
    /// Cycles of tasks that await each other, by task id.
    pub task_cycles: Vec<Vec<String>>,
    /// What could not be read, and what may be wrong.
    pub warnings: Vec<String>,
}

/// A core file.
#[derive(Debug, Clone, Serialize)]
pub struct CoreView {
    /// Path, as given by the user.
    pub file: String,
    /// The signal that killed the process, and the thread that received it; `None` if it was not
    /// killed, as with `gcore`.
    pub killed: Option<Death>,
}

impl CoreView {
    /// Returns the facts about `core`.
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
    /// Interpreter id; 0 is the main interpreter.
    pub id: i64,
    /// Threads, oldest first.
    pub threads: Vec<ThreadView>,
}

/// A thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadView {
    /// `threading.Thread.name`, or the kernel's name if there is none.
    pub name: String,
    /// `threading.get_native_id()`.
    pub native_id: u32,
    /// Kernel thread id in this pid namespace, if it differs because the target is in a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// `threading.get_ident()`.
    pub ident: u64,
    /// The interpreter that the thread has entered from this one, if any. The thread is listed
    /// there, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entered: Option<i64>,
    /// What the thread is doing.
    pub state: ThreadState,
    /// Name of the system call it sleeps in.
    pub system_call: Option<String>,
    /// Whether it is running or runnable.
    pub cpu: bool,
    /// Frames, innermost first.
    pub frames: Vec<FrameView>,
    /// The frames may never have been on the stack together.
    pub torn: bool,
    /// C and Python frames merged, innermost first, if C frames were requested and could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<Vec<RowView>>,
    /// What it waits for.
    pub waits: Option<WaitView>,
    /// Locks it holds.
    pub holds: Vec<HoldView>,
}

/// A frame.
#[derive(Debug, Clone, Serialize)]
pub struct FrameView {
    /// Qualified name of the function.
    pub function: String,
    /// File name, as in the target.
    pub file: String,
    /// Current line.
    pub line: Option<u32>,
    /// Source text of that line, trimmed.
    pub source: Option<String>,
}

/// An entry of a merged stack.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowView {
    /// Index of the Python frame in `frames`.
    Python(usize),
    /// A C frame.
    Native {
        /// Function name, if the file has a symbol.
        symbol: Option<String>,
        /// File that contains the code.
        file: Option<String>,
        /// Address in the file's image.
        offset: u64,
    },
}

/// What a thread waits for.
#[derive(Debug, Clone, Serialize)]
pub struct WaitView {
    /// Address of the object.
    pub lock: String,
    /// Kind of the object.
    pub kind: WaitTarget,
    /// Name used by the program.
    pub name: Option<String>,
    /// Whether another thread holds it and will release it; otherwise the wait is for an event.
    pub contention: bool,
    /// Time spent waiting in seconds, if the runtime records it.
    pub seconds: Option<f64>,
    /// Whether the wait has a timeout.
    pub timed: bool,
    /// Seconds until the timeout, if known.
    pub left_s: Option<f64>,
    /// Index of the waiting frame, counted from the innermost.
    pub frame: Option<usize>,
    /// Holders; empty if unknown.
    pub holders: Vec<HolderView>,
}

/// A thread that holds what another one waits for.
#[derive(Debug, Clone, Serialize)]
pub struct HolderView {
    /// `threading.get_native_id()` of the holder.
    pub native_id: u32,
    /// Thread name.
    pub name: String,
    /// How the holder was determined.
    pub confidence: Confidence,
    /// Index of the frame that holds it, counted from the innermost.
    pub frame: Option<usize>,
    /// The suspended asyncio task that holds it. Only the thread's event loop can resume the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// A lock held by a thread.
#[derive(Debug, Clone, Serialize)]
pub struct HoldView {
    /// Address of the object.
    pub lock: String,
    /// Kind of the object.
    pub kind: WaitTarget,
    /// Name used by the program.
    pub name: Option<String>,
    /// Number of acquisitions.
    pub depth: u32,
    /// How the holder was determined.
    pub confidence: Confidence,
    /// Index of the frame that holds it, counted from the innermost; `None` if unknown.
    pub frame: Option<usize>,
}

/// Name of an asyncio task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskName {
    /// Address of the task object.
    pub id: String,
    /// Task name.
    pub name: String,
}

/// An asyncio task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskView {
    /// Address of the task object.
    pub id: String,
    /// Task name.
    pub name: String,
    /// Qualified name of its coroutine.
    pub coroutine: Option<String>,
    /// `created`, `running` or `waiting`.
    pub state: &'static str,
    /// The thread whose loop runs it (`native_id`).
    pub thread: Option<u32>,
    /// Tasks it awaits.
    pub awaits: Vec<String>,
    /// Type name of what it awaits, if that is not a task.
    pub awaits_other: Option<String>,
    /// Tasks that await it.
    pub awaited_by: Vec<String>,
    /// Its coroutines, innermost first.
    pub frames: Vec<FrameView>,
}

/// A cycle of threads, each waiting for what the next one holds.
#[derive(Debug, Clone, Serialize)]
pub struct DeadlockView {
    /// The waits, in order.
    pub edges: Vec<EdgeView>,
}

/// A thread that waits for something that no thread in its process can release.
#[derive(Debug, Clone, Serialize)]
pub struct StrandedView {
    /// `native_id` of the waiting thread.
    pub native_id: u32,
    /// Its name.
    pub thread: String,
    /// Address of the object waited for.
    pub waits_for: String,
    /// Kind of that object.
    pub kind: WaitTarget,
    /// Name used by the program.
    pub name: Option<String>,
    /// The parent process, in which a thread held the object during the fork; `None` if the process
    /// was not forked and its only thread is waiting.
    pub forked_from: Option<u32>,
    /// `native_id` of the parent's thread that holds it, if the parent is still running and shows
    /// it.
    pub held_by: Option<u32>,
    /// That thread's name.
    pub holder: Option<String>,
}

/// One wait of a deadlock.
#[derive(Debug, Clone, Serialize)]
pub struct EdgeView {
    /// `native_id` of the waiting thread.
    pub native_id: u32,
    /// Its name.
    pub thread: String,
    /// Address of the object waited for.
    pub waits_for: String,
    /// Kind of that object.
    pub kind: WaitTarget,
    /// Name used by the program.
    pub name: Option<String>,
    /// `native_id` of the holder.
    pub held_by: u32,
    /// That thread's name.
    pub holder: String,
    /// How the holder was determined.
    pub confidence: Confidence,
    /// The suspended asyncio task that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

impl Snapshot {
    /// Returns whether there is a wait that does not end by itself.
    #[must_use]
    pub fn has_deadlock(&self) -> bool {
        !self.deadlocks.is_empty() || !self.stranded.is_empty() || !self.task_cycles.is_empty()
    }

    /// Iterates over all threads.
    pub fn threads(&self) -> impl Iterator<Item = &ThreadView> {
        self.interpreters.iter().flat_map(|interpreter| &interpreter.threads)
    }
}
