//! The result of one sampling round.

use std::sync::Arc;
use ungil_remote::frames::CodeLine;
use ungil_remote::{ThreadState, WaitedObject};

/// One thread in one sampling round.
#[derive(Debug, Clone)]
pub struct ThreadObservation {
    /// The kernel's thread id. A `PyThreadState` address would not identify a thread: it is reused.
    pub thread: u32,
    /// The thread's state.
    pub state: ThreadState,
    /// The current line; `None` for a thread without Python frames, and where it could not be read.
    pub line: Option<Arc<CodeLine>>,
    /// The object it waits for, if it waits.
    pub wait: Option<Arc<WaitedObject>>,
}

/// One sampling round over all threads.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// When, in `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    pub threads: Vec<ThreadObservation>,
    /// Threads whose stack changed while it was read. Their state counts, their line does not.
    pub torn: u64,
}
