//! A thread's state, as far as its table of offsets leaves it out.
//!
//! `PyThreadState` is in a public header (cpython/pystate.h) and keeps its order within a minor version; what a patch release
//! adds goes to its end, and so moves only `_PyThreadStateImpl`, which begins there.

use super::Missing;
use super::mimalloc::{KNOWN, Mimalloc};
use super::probe::Probe;
use crate::memory::word;
use crate::offsets::DebugOffsets;

/// Offsets in `PyThreadState` and `_PyThreadStateImpl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadStateMore {
    /// `state`, an int: 0 detached, 1 attached, 2 suspended, 3 shutting down; 3.15 adds 4 suspended and waiting, 5 detached and
    /// waiting (pycore_pystate.h).
    pub state: u64,
    /// `id`: a number that is never given twice in an interpreter.
    pub id: u64,
    /// `critical_section`, a tagged pointer; see [`super::CriticalSection`]. Free-threaded builds.
    pub critical_section: Option<u64>,
    /// The C stack's bounds, from 3.14 on.
    pub c_stack: Option<CStack>,
    /// `asyncio_running_loop`, a pointer.
    pub running_loop: u64,
    /// `asyncio_running_task`, a pointer, from 3.14 on.
    pub running_task: Option<u64>,
    /// `asyncio_tasks_head`, the thread's list of tasks, from 3.14 on.
    pub tasks_head: Option<u64>,
    /// `mimalloc`, the thread's heaps ([`Mimalloc`] says how they are laid out). Free-threaded builds; only when found.
    pub mimalloc: Option<u64>,
    /// `qsbr`, a pointer to what the thread tells of its progress; see [`QSBR_SHARED`]. Free-threaded builds.
    pub(super) qsbr: Option<u64>,
}

/// The bounds CPython keeps of a thread's C stack, addresses; they are 0 before a thread first runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CStack {
    /// `c_stack_top`: the highest address.
    pub top: u64,
    /// `c_stack_soft_limit`: RecursionError below this.
    pub soft_limit: u64,
    /// `c_stack_hard_limit`: a fatal error below this.
    pub hard_limit: u64,
}

/// `struct _qsbr_thread_state`: `seq`, then `shared`, which points into the interpreter, then `tstate`, which points back.
pub(super) const QSBR_SHARED: u64 = 8;
pub(super) const QSBR_TSTATE: u64 = 16;

/// As far behind the base structure as anything is looked for.
const REACH: usize = 2048;

impl ThreadStateMore {
    pub(super) fn of(offsets: &DebugOffsets) -> ThreadStateMore {
        let minor = offsets.version.minor;
        let of_minor = |values: [u64; 3]| match minor {
            13 => values[0],
            14 => values[1],
            _ => values[2],
        };
        // _PyThreadStateImpl (pycore_tstate.h): 3.15 puts `base_frame` first, whose size a frame has.
        let after = offsets.thread_state.size + if minor >= 15 { offsets.interpreter_frame.size } else { 0 };
        let modern = |distance: u64| (minor >= 14).then_some(after + distance);
        let task = if minor >= 15 { 48 } else { 32 };
        ThreadStateMore {
            state: of_minor([40, 44, 48]),
            id: of_minor([224, 224, 248]),
            critical_section: offsets.free_threaded.then_some(of_minor([176, 176, 200])),
            c_stack: modern(8).map(|top| CStack { top, soft_limit: top + 8, hard_limit: top + 16 }),
            running_loop: if minor == 13 { after } else { after + task },
            running_task: modern(task + 8),
            tasks_head: modern(if minor >= 15 { task + 24 } else { task + 16 }),
            mimalloc: None,
            qsbr: offsets.free_threaded.then_some(after + if minor >= 15 { 88 } else { 64 }),
        }
    }

    /// Finds the thread's heaps and checks the bounds of the C stack.
    pub(super) fn find(
        &mut self,
        probe: &Probe<'_>,
        missing: &mut Vec<Missing>,
    ) -> Option<&'static Mimalloc> {
        if let Some(at) = self.c_stack
            && !probe.threads.iter().any(|&thread| {
                let [top, soft, hard] =
                    [at.top, at.soft_limit, at.hard_limit].map(|o| probe.word(thread.wrapping_add(o)));
                top > soft && soft > hard && hard > Some(0)
            })
        {
            self.c_stack = None;
            missing.push(Missing {
                what: "the bounds of the threads' C stacks",
                why: "no thread has three descending addresses where they are in the headers".into(),
            });
        }
        if !probe.offsets.free_threaded {
            return None;
        }
        let found = probe.threads.iter().find_map(|&thread| self.find_heaps(probe, thread));
        if found.is_none() {
            missing.push(Missing {
                what: "the threads' heaps",
                why: "no thread state has the heaps of a mimalloc that is known (2.1.2, 2.5.2)".into(),
            });
        }
        let (at, mimalloc) = found?;
        self.mimalloc = Some(at);
        Some(mimalloc)
    }

    /// `struct _mimalloc_thread_state` (pycore_mimalloc.h): `current_object_heap` points to one of the heaps that follow it (the
    /// second, but while a collected object is made), and each heap to the `tld` behind them.
    fn find_heaps(&self, probe: &Probe<'_>, thread: u64) -> Option<(u64, &'static Mimalloc)> {
        let base = thread.checked_add(probe.offsets.thread_state.size)?;
        let bytes = probe.memory.vec(base, REACH as u64, REACH).ok()?;
        for offset in (0..REACH).step_by(8) {
            let here = base.wrapping_add(offset as u64);
            for mimalloc in KNOWN {
                if (1..Mimalloc::HEAPS).any(|number| word(&bytes, offset) == mimalloc.heap(here, number))
                    && probe.word(mimalloc.heap(here, 0)) == Some(mimalloc.heap(here, 4))
                {
                    return Some((probe.offsets.thread_state.size + offset as u64, mimalloc));
                }
            }
        }
        None
    }
}
