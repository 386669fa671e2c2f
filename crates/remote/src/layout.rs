//! Where the fields are that `_Py_DebugOffsets` does not name.
//!
//! Three kinds, each treated in its own way:
//! - what C fixes or the public headers promise for a minor version (the object header, `PyThreadState`, objects' first fields):
//!   computed from the table of offsets, once and for all;
//! - what moves between patch releases but can be *found* in the live process, because it points to itself or to something
//!   known: found at attach, with the place it had in the headers as the first guess;
//! - what follows something found at a fixed distance: trusted only together with it.
//!
//! What cannot be found is left out and named in [`Layout::missing`]; everything else goes on working.
//!
//! Sources: `offsetof` over the headers of 3.13.0, 3.13.5, 3.14.10 and 3.15.2 (with and without the GIL, and, for the
//! free-threaded ones, with the allocator mimalloc 2.1.2 as well as 2.5.2). Live 3.13.17, 3.14.9, 3.14.9t, 3.15.1 and 3.15.1t:
//! `tests/layout` compares each offset with what the processes say of themselves; live 3.13.0, 3.13.5 and 3.14.10 with a shared
//! libpython: all is found (`tests/shared.rs`). Free-threaded builds with mimalloc 2.5.2 are from the headers only.

mod collector;
mod interpreter;
mod locks;
mod mimalloc;
mod mutexes;
mod objects;
mod obmalloc;
mod parking;
mod probe;
mod runtime;
mod tasks;
mod thread;

pub use collector::{Collections, Collector, Ring};
pub use interpreter::{Abandoned, InterpreterMore, StaticTypes};
pub use locks::{CriticalSection, LockKind, Locks, StopTheWorld, ThreadHandle};
#[cfg(test)]
pub(crate) use mimalloc::KNOWN as KNOWN_MIMALLOCS;
pub use mimalloc::{HeapTag, Mimalloc};
pub use mutexes::{MutexKind, NamedMutex};
pub use objects::{CodeMore, FrameMore, ObjectsMore};
pub use obmalloc::{Arena, Obmalloc, Pool};
pub use parking::WaitEntry;
pub use runtime::RuntimeMore;
pub use tasks::Tasks;
pub use thread::{CStack, ThreadStateMore};

use crate::memory::Memory;
use crate::offsets::DebugOffsets;
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
    /// Locks that Python programs use, and the structures locks are made of.
    pub locks: Locks,
    /// Frames.
    pub frame: FrameMore,
    /// Code objects.
    pub code: CodeMore,
    /// Functions, methods, cells, generators...
    pub objects: ObjectsMore,
    /// Tasks and futures of asyncio.
    pub tasks: Tasks,
    /// What was not found.
    pub missing: Vec<Missing>,
}

impl Layout {
    /// What follows from the version and the table of offsets alone. Nothing is checked against a process: what must be found
    /// is where the headers have it, or absent.
    #[must_use]
    pub fn of(offsets: &DebugOffsets) -> Layout {
        Layout {
            thread_state: ThreadStateMore::of(offsets),
            interpreter: InterpreterMore::of(offsets),
            runtime: RuntimeMore::of(offsets),
            collector: Collector::of(offsets),
            mimalloc: None,
            locks: Locks::of(offsets),
            frame: FrameMore::of(offsets),
            code: CodeMore::of(offsets),
            objects: ObjectsMore::of(offsets),
            tasks: Tasks::of(offsets),
            missing: Vec::new(),
        }
    }

    /// The layout of the process whose `_PyRuntime` is at `runtime`: found and checked in it. Never fails: what is not
    /// found is in [`Layout::missing`]. Reads a few hundred words.
    #[must_use]
    pub fn find(memory: &dyn Memory, runtime: u64, offsets: &DebugOffsets) -> Layout {
        let mut layout = Layout::of(offsets);
        let mut missing = Vec::new();
        let probe = Probe::new(memory, runtime, offsets);
        layout.mimalloc = layout.thread_state.find(&probe, &mut missing);
        layout.interpreter.find(&probe, &layout.thread_state, layout.mimalloc, &mut missing);
        layout.runtime.find(&probe, &mut missing);
        layout.collector.find(&probe, &mut missing);
        layout.missing = missing;
        layout
    }
}
