//! Where the fields are that neither `_Py_DebugOffsets` names nor the version fixes: found in the
//! live process.
//!
//! Patch releases move the middle of the runtime's and of the interpreter's state. Some places
//! there can be recognised, because they point to themselves or to something known; each is looked
//! for at attach, beginning where the headers of the release have it ([`cpython_layout::Build`]).
//! What lies at a fixed distance from such a place is trusted only together with it.
//!
//! What cannot be found is left out and named in [`Layout::missing`]; everything else goes on
//! working.
//!
//! `tests/layout` compares each offset with what live 3.13.17, 3.14.9, 3.14.9t, 3.15.1 and 3.15.1t
//! say of themselves; in live 3.13.0, 3.13.5 and 3.14.10 with a shared libpython everything is
//! found (`tests/shared.rs`). Free-threaded builds with mimalloc 2.5.2 are from the headers only.

mod collector;
mod interpreter;
mod mutexes;
mod probe;
mod runtime;
mod thread;

pub use collector::{Collections, Collector, Ring};
pub use interpreter::InterpreterMore;
pub use mutexes::NamedMutex;
pub use runtime::RuntimeMore;
pub use thread::ThreadStateMore;

use crate::memory::Memory;
use cpython_layout::{DebugOffsets, Mimalloc};
use probe::Probe;

/// A field or structure that could not be found in a target, and what is off because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is missing, in words that can follow "could not be found: ".
    pub what: &'static str,
    /// Why it is not believed.
    pub why: String,
}

/// What `_Py_DebugOffsets` does not say of one target.
#[derive(Debug, Clone)]
pub struct Layout {
    /// `PyThreadState` and `_PyThreadStateImpl`.
    pub thread_state: ThreadStateMore,
    /// `PyInterpreterState`.
    pub interpreter: InterpreterMore,
    /// `_PyRuntimeState`.
    pub runtime: RuntimeMore,
    /// The collector's lists and statistics.
    pub collector: Collector,
    /// The allocator of free-threaded builds.
    pub mimalloc: Option<&'static Mimalloc>,
    /// What was not found.
    pub missing: Vec<Missing>,
}

impl Layout {
    /// Finds the layout of the process whose `_PyRuntime` is at `runtime`. Never fails: what is not
    /// found is in [`Layout::missing`]. Reads a few hundred words.
    #[must_use]
    pub fn find(memory: &dyn Memory, runtime: u64, offsets: &DebugOffsets) -> Layout {
        let mut missing = Vec::new();
        let probe = Probe::new(memory, runtime, offsets);
        let (thread_state, mimalloc) = ThreadStateMore::find(&probe, &mut missing);
        Layout {
            interpreter: InterpreterMore::find(&probe, &thread_state, &mut missing),
            runtime: RuntimeMore::find(&probe, &mut missing),
            collector: Collector::find(&probe, &mut missing),
            thread_state,
            mimalloc,
            missing,
        }
    }
}
