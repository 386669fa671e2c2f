//! Offsets in an interpreter's state that its offset table does not contain.
//!
//! Three fields can be recognized in a live process:
//! - the pointer to pymalloc's state, whose list heads point back to themselves;
//! - `qsbr` without the GIL, to which each thread has a pointer;
//! - the table of static types, in which each type stores its own index.

use super::mutexes::{self, NamedMutex};
use super::probe::Probe;
use super::{MissingField, ThreadStateOffsets};
use crate::memory::word;
use cpython_layout::Anchor;
use cpython_layout::structures::{Obmalloc, Pool, Qsbr, StaticType};

/// Offsets in `PyInterpreterState`. `None` means not found, or not present in this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpreterOffsets {
    /// `stoptheworld`; see [`cpython_layout::structures::StopTheWorld`]. Also present with the GIL,
    /// where it is rarely used.
    pub stoptheworld: Option<u64>,
    /// `obmalloc`, a pointer; see [`Obmalloc`]. Present but unused in free-threaded builds.
    pub obmalloc: Option<u64>,
    /// `types.builtins`, the first [`StaticType`].
    pub static_types: Option<u64>,
    /// The runtime's mutexes inside the interpreter.
    pub mutexes: Vec<NamedMutex>,
}

/// Maximum distance in bytes from the expected offset.
const SEARCH_DISTANCE: u64 = 4096;

impl InterpreterOffsets {
    pub(super) fn find(
        probe: &Probe<'_>,
        thread: &ThreadStateOffsets,
        missing: &mut Vec<MissingField>,
    ) -> InterpreterOffsets {
        let build = probe.offsets.build;
        let is_obmalloc = |at| probe.interpreter(at).is_some_and(|state| is_obmalloc(probe, state));
        let obmalloc = probe.near(build.interpreter.obmalloc, SEARCH_DISTANCE, is_obmalloc);
        if obmalloc.is_none() {
            missing.push(MissingField {
                what: "pymalloc's state, and the runtime's mutexes around it",
                why: "no pointer in the main interpreter leads to pymalloc's pool lists".into(),
            });
        }
        let behind = thread.qsbr.map_or(obmalloc, |at| find_qsbr(probe, at));
        let stoptheworld = behind.and_then(|at| at.checked_sub(build.interpreter.stoptheworld));
        if stoptheworld.is_none() {
            missing.push(MissingField {
                what: "the state of stop-the-world pauses",
                why: "the field next to it in the interpreter was not found".into(),
            });
        }
        let static_types =
            obmalloc.and_then(|at| find_static_types(probe, at + build.interpreter.static_types));
        if static_types.is_none() {
            missing.push(MissingField {
                what: "the static types' dictionaries and some of the runtime's mutexes",
                why: "the table of static types is not at the expected offset".into(),
            });
        }
        let at = &probe.offsets.interpreter_state;
        let mutexes = mutexes::find(build, |anchor| match anchor {
            Anchor::InterpretersHead | Anchor::AutoInterpreter => None,
            Anchor::CevalGil => Some(at.ceval_gil),
            Anchor::Imports => Some(at.imports_modules),
            Anchor::Gc => Some(at.gc),
            Anchor::CodeGeneration => at.code_object_generation,
            Anchor::TlbcGeneration => at.tlbc_generation.filter(|&at| at != 0),
            Anchor::StopTheWorld => stoptheworld,
            Anchor::Obmalloc => obmalloc,
            Anchor::ObmallocAndTypes => static_types.and(obmalloc),
            Anchor::StaticTypes => static_types,
        });
        InterpreterOffsets { stoptheworld, obmalloc, static_types, mutexes }
    }
}

/// Returns whether pymalloc's state is at `address`: its heads are lists of pools that point back.
/// A few may be in the middle of a change.
fn is_obmalloc(probe: &Probe<'_>, address: u64) -> bool {
    let words = probe.words(address, 2 * Obmalloc::SIZES as usize);
    let sound =
        words.as_chunks::<2>().0.iter().enumerate().filter(|&(index, &[next, previous])| {
            // The head is laid out as a pool whose nextpool and prevpool are these two words.
            let head = address.wrapping_add(16 * index as u64).wrapping_sub(Pool::NEXT);
            (next == head || probe.word(next.wrapping_add(Pool::PREVIOUS)) == Some(head))
                && (previous == head || probe.word(previous.wrapping_add(Pool::NEXT)) == Some(head))
        });
    sound.count() >= 24
}

/// Returns the offset of `qsbr` in the interpreter. Each thread has a structure that points to it
/// and back to the thread.
fn find_qsbr(probe: &Probe<'_>, hint: u64) -> Option<u64> {
    let size = probe.offsets.interpreter_state.size;
    let of_thread = |thread: u64, at: u64| {
        let own = probe.pointer(thread.wrapping_add(at))?;
        let shared = probe.pointer(own.wrapping_add(Qsbr::SHARED))?.checked_sub(probe.main)?;
        (probe.word(own.wrapping_add(Qsbr::THREAD)) == Some(thread) && shared < size)
            .then_some(shared)
    };
    probe.threads.iter().find_map(|&thread| {
        let at = probe.near(hint, 256, |at| of_thread(thread, at).is_some())?;
        of_thread(thread, at)
    })
}

/// Returns the offset of the table of static types near `at`. The `tp_subclasses` of each type in
/// it is the index of its entry.
fn find_static_types(probe: &Probe<'_>, at: u64) -> Option<u64> {
    const LOOK_AT: u64 = 16;
    let is_table = |at: u64| {
        let bytes =
            probe.memory.vec(probe.main.wrapping_add(at), LOOK_AT * StaticType::SIZE, 1 << 16);
        let Ok(bytes) = bytes else { return false };
        (0..LOOK_AT).all(|index| {
            let address = word(&bytes, (index * StaticType::SIZE + StaticType::TYPE) as usize);
            let subclasses = probe.offsets.type_object.tp_name + StaticType::SUBCLASSES_FROM_NAME;
            address != 0 && probe.word(address.wrapping_add(subclasses)) == Some(index + 1)
        })
    };
    probe.near(at, SEARCH_DISTANCE, is_table)
}
