//! What one moment shows of every thread.

use std::sync::Arc;
use ungil_remote::frames::CodeLine;
use ungil_remote::{ThreadState, WaitedObject};

/// One thread at one moment.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The kernel's number of the thread. An address would not do, which the next thread may get.
    pub thread: u32,
    /// What it does.
    pub state: ThreadState,
    /// The line it is at; `None` for a thread without Python code on its stack, and where it could
    /// not be read.
    pub place: Option<Arc<CodeLine>>,
    /// What it waits for, if it waits.
    pub wait: Option<Arc<WaitedObject>>,
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
