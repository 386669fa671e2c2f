//! `_PyRuntimeState`, as far as its table of offsets leaves it out.
//!
//! `interpreters.main` follows the `interpreters.head` the table names. Further on, `gilstate.autoInterpreterState` is the
//! only other pointer to the main interpreter, and what follows it is at a fixed distance: 3.13.17 has 24 bytes more before it
//! than 3.13.5, and the same after.

use super::Missing;
use super::mutexes;
use super::mutexes::NamedMutex;
use super::probe::Probe;
use crate::offsets::DebugOffsets;

/// Offsets in `_PyRuntimeState`. What is `None` was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeMore {
    /// `interpreters.main`, a pointer.
    pub main_interpreter: u64,
    /// `main_thread`: the main thread's ident.
    pub main_thread: u64,
    /// `stoptheworld`, for pauses of all interpreters; see [`super::StopTheWorld`].
    pub stoptheworld: Option<u64>,
    /// The mutexes of the runtime that lie in `_PyRuntimeState`.
    pub mutexes: Vec<NamedMutex>,
}

impl RuntimeMore {
    pub(super) fn of(offsets: &DebugOffsets) -> RuntimeMore {
        let head = offsets.runtime_state.interpreters_head;
        RuntimeMore {
            main_interpreter: head + 8,
            main_thread: head + 24,
            stoptheworld: None,
            mutexes: mutexes::of_runtime(offsets),
        }
    }

    pub(super) fn find(&mut self, probe: &Probe<'_>, missing: &mut Vec<Missing>) {
        let minor = probe.offsets.version.minor;
        let (hint, stoptheworld) = match minor {
            13 => (9888, 448),
            14 => (10096, 456),
            _ => (10216, 456),
        };
        let is_main = |at| probe.main != 0 && probe.word(probe.runtime.wrapping_add(at)) == Some(probe.main);
        let Some(auto) = probe.near(hint, 1024, is_main) else {
            missing.push(Missing {
                what: "the pauses of all interpreters, and mutexes of the runtime",
                why: "no pointer to the main interpreter is where the runtime has one".into(),
            });
            return;
        };
        self.stoptheworld = Some(auto + stoptheworld);
        self.mutexes.extend(mutexes::after_auto(minor, auto));
    }
}
