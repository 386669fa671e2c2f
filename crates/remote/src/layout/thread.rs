//! A thread's state, as far as its table of offsets leaves it out.

use super::Missing;
use super::probe::Probe;
use crate::memory::word;
use cpython_layout::Mimalloc;

/// Offsets in `PyThreadState` and `_PyThreadStateImpl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadStateMore {
    /// `state`; see [`cpython_layout::ThreadLayout::state`].
    pub state: u64,
    /// `critical_section`, a tagged pointer; see [`cpython_layout::structures::CriticalSection`].
    /// Free-threaded builds.
    pub critical_section: Option<u64>,
    /// `asyncio_running_loop`, a pointer.
    pub running_loop: u64,
    /// `mimalloc`, the thread's heaps ([`Mimalloc`] says how they are laid out). Free-threaded
    /// builds; only when found.
    pub mimalloc: Option<u64>,
    /// `qsbr`, a pointer to a [`cpython_layout::structures::Qsbr`], where the headers have it.
    /// Free-threaded builds.
    pub(super) qsbr: Option<u64>,
}

/// As far behind the base structure as anything is looked for.
const REACH: usize = 2048;

impl ThreadStateMore {
    /// What follows from the version, and the thread's heaps, which are looked for.
    pub(super) fn find(
        probe: &Probe<'_>,
        missing: &mut Vec<Missing>,
    ) -> (ThreadStateMore, Option<&'static Mimalloc>) {
        let (offsets, at) = (probe.offsets, probe.offsets.build.thread);
        // What a patch release adds goes to the end of PyThreadState, and so moves only
        // _PyThreadStateImpl.
        let base_frame = if at.base_frame { offsets.interpreter_frame.size } else { 0 };
        let after = offsets.thread_state.size + base_frame;
        let find = |&thread: &u64| find_heaps(probe, thread);
        let heaps = if offsets.free_threaded { probe.threads.iter().find_map(find) } else { None };
        if heaps.is_none() && offsets.free_threaded {
            missing.push(Missing {
                what: "the threads' heaps",
                why: "no thread state has the heaps of a mimalloc that is known (2.1.2, 2.5.2)"
                    .into(),
            });
        }
        let more = ThreadStateMore {
            state: at.state,
            critical_section: at.critical_section,
            running_loop: after + at.running_loop,
            mimalloc: heaps.map(|(at, _)| at),
            qsbr: at.qsbr.map(|at| after + at),
        };
        (more, heaps.map(|(_, mimalloc)| mimalloc))
    }
}

/// `struct _mimalloc_thread_state` (pycore_mimalloc.h): `current_object_heap` points to one of the
/// heaps that follow it (the second, but while a collected object is made), and each heap to the
/// `tld` behind them.
fn find_heaps(probe: &Probe<'_>, thread: u64) -> Option<(u64, &'static Mimalloc)> {
    let size = probe.offsets.thread_state.size;
    let base = thread.checked_add(size)?;
    let bytes = probe.memory.vec(base, REACH as u64, REACH).ok()?;
    for offset in (0..REACH).step_by(8) {
        let here = base.wrapping_add(offset as u64);
        for mimalloc in Mimalloc::KNOWN {
            if (1..Mimalloc::HEAPS)
                .any(|number| word(&bytes, offset) == mimalloc.heap(here, number))
                && probe.word(mimalloc.heap(here, 0)) == Some(mimalloc.heap(here, 4))
            {
                return Some((size + offset as u64, mimalloc));
            }
        }
    }
    None
}
