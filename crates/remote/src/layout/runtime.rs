//! `_PyRuntimeState`, as far as its table of offsets leaves it out.
//!
//! `gilstate.autoInterpreterState` is the only other pointer to the main interpreter than
//! `interpreters.main`, and what follows it is at a fixed distance: 3.13.17 has 24 bytes more
//! before it than 3.13.5, and the same after.

use super::Missing;
use super::mutexes::{self, NamedMutex};
use super::probe::Probe;
use cpython_layout::Anchor;

/// Offsets in `_PyRuntimeState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeMore {
    /// `stoptheworld`, for pauses of all interpreters; see
    /// [`cpython_layout::structures::StopTheWorld`]. `None` where it was not found.
    pub stoptheworld: Option<u64>,
    /// The mutexes of the runtime that lie in `_PyRuntimeState`.
    pub mutexes: Vec<NamedMutex>,
}

impl RuntimeMore {
    pub(super) fn find(probe: &Probe<'_>, missing: &mut Vec<Missing>) -> RuntimeMore {
        let build = probe.offsets.build;
        let is_main =
            |at| probe.main != 0 && probe.word(probe.runtime.wrapping_add(at)) == Some(probe.main);
        let auto = probe.near(build.runtime.auto_interpreter, 1024, is_main);
        if auto.is_none() {
            missing.push(Missing {
                what: "the pauses of all interpreters, and mutexes of the runtime",
                why: "no pointer to the main interpreter is where the runtime has one".into(),
            });
        }
        let mutexes = mutexes::find(build, |anchor| match anchor {
            Anchor::InterpretersHead => Some(probe.offsets.runtime_state.interpreters_head),
            Anchor::AutoInterpreter => auto,
            _ => None,
        });
        RuntimeMore { stoptheworld: auto.map(|auto| auto + build.runtime.stoptheworld), mutexes }
    }
}
