//! What one moment shows of every thread.

use serde::Serialize;
use std::sync::Arc;

use ungil_remote::{ThreadState, WaitTarget};

/// A line of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The function's qualified name.
    pub function: String,
    /// Its file, as the target has it.
    pub file: String,
    /// The line; `None` where the instruction belongs to none.
    pub line: Option<u32>,
}

/// What a thread waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The object's address, or the lock's inside the runtime.
    pub object: u64,
    /// What it is.
    pub target: WaitTarget,
    /// Since when, `CLOCK_MONOTONIC` nanoseconds, where it is kept.
    pub since_ns: Option<u64>,
}

/// One thread at one moment.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The kernel's number of the thread. An address would not do, which the next thread may get.
    pub thread: u32,
    /// What it does.
    pub state: ThreadState,
    /// The line it is at; `None` for a thread without Python code on its stack, and where it could not be read.
    pub place: Option<Arc<Place>>,
    /// What it waits for, if it waits.
    pub wait: Option<Wait>,
}

/// One look at all threads.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// The threads there were.
    pub threads: Vec<Seen>,
    /// Threads whose frames did not hold still; their state counts, their line does not.
    pub torn: u64,
}
