//! Locates fields that `_Py_DebugOffsets` does not contain and whose offsets are not fixed by the
//! version.
//!
//! Patch releases move fields in the middle of the runtime's and the interpreter's state. Some
//! fields there can be recognized because they point to themselves or to something known. Each is
//! searched for at attach, starting at its offset in the release's headers
//! ([`cpython_layout::Build`]). Fields at a fixed distance from such a field are used only if it
//! was found.
//!
//! A field that cannot be found is listed in [`Layout::missing`]; everything else keeps working.
//!
//! `tests/layout` compares each offset with what live 3.13.17, 3.14.9, 3.14.9t, 3.15.1 and 3.15.1t
//! report themselves. In live 3.13.0, 3.13.5 and 3.14.10 with a shared libpython all fields are
//! found (`tests/shared.rs`). The offsets of free-threaded builds with mimalloc 2.5.2 are from the
//! headers only.

mod collector;
mod interpreter;
mod mutexes;
mod probe;
mod runtime;
mod thread;

pub use collector::{CollectorOffsets, StatsLocation, StatsRing};
pub use interpreter::InterpreterOffsets;
pub use mutexes::NamedMutex;
pub use runtime::RuntimeOffsets;
pub use thread::ThreadStateOffsets;

use crate::memory::Memory;
use cpython_layout::{DebugOffsets, Mimalloc};
use probe::Probe;

/// A field or structure that was not found in a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingField {
    /// What is missing, as a noun phrase that can follow "could not be found: ".
    pub what: &'static str,
    /// Reason why it was not found.
    pub why: String,
}

/// Offsets in one target that `_Py_DebugOffsets` does not contain.
#[derive(Debug, Clone)]
pub struct Layout {
    /// `PyThreadState` and `_PyThreadStateImpl`.
    pub thread_state: ThreadStateOffsets,
    /// `PyInterpreterState`.
    pub interpreter: InterpreterOffsets,
    /// `_PyRuntimeState`.
    pub runtime: RuntimeOffsets,
    /// The collector's lists and statistics.
    pub collector: CollectorOffsets,
    /// The allocator of free-threaded builds.
    pub mimalloc: Option<&'static Mimalloc>,
    /// Fields that were not found.
    pub missing: Vec<MissingField>,
}

impl Layout {
    /// Locates the fields of the process whose `_PyRuntime` is at `runtime`. Never fails: fields
    /// that are not found are in [`Layout::missing`]. Reads a few hundred words.
    #[must_use]
    pub fn find(memory: &dyn Memory, runtime: u64, offsets: &DebugOffsets) -> Layout {
        let mut missing = Vec::new();
        let probe = Probe::new(memory, runtime, offsets);
        let (thread_state, mimalloc) = ThreadStateOffsets::find(&probe, &mut missing);
        Layout {
            interpreter: InterpreterOffsets::find(&probe, &thread_state, &mut missing),
            runtime: RuntimeOffsets::find(&probe, &mut missing),
            collector: CollectorOffsets::find(&probe, &mut missing),
            thread_state,
            mimalloc,
            missing,
        }
    }
}
