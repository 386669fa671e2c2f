//! Offsets in a thread state that its offset table does not contain.

use super::MissingField;
use super::probe::Probe;
use crate::memory::word;
use cpython_layout::Mimalloc;

/// Offsets in `PyThreadState` and `_PyThreadStateImpl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadStateOffsets {
    /// `state`; see [`cpython_layout::ThreadLayout::state`].
    pub state: u64,
    /// `critical_section`, a tagged pointer; see [`cpython_layout::structures::CriticalSection`].
    /// Free-threaded builds.
    pub critical_section: Option<u64>,
    /// `asyncio_running_loop`, a pointer.
    pub running_loop: u64,
    /// `mimalloc`, the thread's heaps, laid out as described by [`Mimalloc`]. Free-threaded builds
    /// only; `None` if not found.
    pub mimalloc: Option<u64>,
    /// `qsbr`, a pointer to a [`cpython_layout::structures::Qsbr`], at its offset in the headers.
    /// Free-threaded builds only.
    pub(super) qsbr: Option<u64>,
}

/// Maximum distance in bytes of the heaps from the end of `PyThreadState`.
const SEARCH_DISTANCE: usize = 2048;

impl ThreadStateOffsets {
    /// Derives the offsets from the version, and searches for the thread's heaps.
    pub(super) fn find(
        probe: &Probe<'_>,
        missing: &mut Vec<MissingField>,
    ) -> (ThreadStateOffsets, Option<&'static Mimalloc>) {
        let (offsets, at) = (probe.offsets, probe.offsets.build.thread);
        // A patch release adds fields at the end of PyThreadState, which moves only those of
        // _PyThreadStateImpl.
        let base_frame = if at.base_frame { offsets.interpreter_frame.size } else { 0 };
        let after = offsets.thread_state.size + base_frame;
        let find = |&thread: &u64| find_heaps(probe, thread);
        let heaps = if offsets.free_threaded { probe.threads.iter().find_map(find) } else { None };
        if heaps.is_none() && offsets.free_threaded {
            missing.push(MissingField {
                what: "the threads' heaps",
                why: "no thread state contains heaps of a supported mimalloc (2.1.2, 2.5.2)".into(),
            });
        }
        let more = ThreadStateOffsets {
            state: at.state,
            critical_section: at.critical_section,
            running_loop: after + at.running_loop,
            mimalloc: heaps.map(|(at, _)| at),
            qsbr: at.qsbr.map(|at| after + at),
        };
        (more, heaps.map(|(_, mimalloc)| mimalloc))
    }
}

/// Locates `struct _mimalloc_thread_state` (pycore_mimalloc.h). Its `current_object_heap` points to
/// one of the heaps that follow it (the second, except while a GC object is allocated), and each
/// heap points to the `tld` after the heaps.
fn find_heaps(probe: &Probe<'_>, thread: u64) -> Option<(u64, &'static Mimalloc)> {
    let size = probe.offsets.thread_state.size;
    let base = thread.checked_add(size)?;
    let bytes = probe.memory.vec(base, SEARCH_DISTANCE as u64, SEARCH_DISTANCE).ok()?;
    for offset in (0..SEARCH_DISTANCE).step_by(8) {
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
