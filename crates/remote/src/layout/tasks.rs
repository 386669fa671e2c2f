//! asyncio's tasks and futures, as far as their own table leaves them out, and all of them on 3.13, which has no table.
//!
//! Source: `FutureObj_HEAD` and `TaskObj` in Modules/_asynciomodule.c; each offset checked on the live builds by looking for the
//! addresses of a task's coroutine, loop, name and future in the task.

use crate::offsets::DebugOffsets;

/// Offsets in `FutureObj` and `TaskObj`. Tasks begin as futures do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tasks {
    /// `fut_loop`.
    pub event_loop: u64,
    /// `fut_callback0`: who is told when it is done.
    pub callback: u64,
    /// `fut_state`, an int: 0 pending, 1 cancelled, 2 finished.
    pub state: u64,
    /// `task_fut_waiter`: the future the task waits for, or NULL.
    pub waiting_for: u64,
    /// `task_coro`.
    pub coroutine: u64,
    /// `task_name`.
    pub name: u64,
}

impl Tasks {
    pub(super) fn of(offsets: &DebugOffsets) -> Tasks {
        let header = offsets.pyobject.size;
        let (state, waiting_for) = if offsets.version.minor == 13 { (80, 96) } else { (88, 104) };
        Tasks {
            event_loop: header,
            callback: header + 8,
            state: header + state,
            waiting_for: header + waiting_for,
            coroutine: header + waiting_for + 8,
            name: header + waiting_for + 16,
        }
    }
}
