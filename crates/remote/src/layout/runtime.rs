//! Offsets in `_PyRuntimeState` that its offset table does not contain.
//!
//! `gilstate.autoInterpreterState` is the only pointer to the main interpreter besides
//! `interpreters.main`, and the fields after it are at fixed distances: 3.13.17 has 24 bytes more
//! before it than 3.13.5, and the same layout after it.

use super::MissingField;
use super::mutexes::{self, NamedMutex};
use super::probe::Probe;
use cpython_layout::Anchor;

/// Offsets in `_PyRuntimeState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeOffsets {
    /// `stoptheworld`, for pauses of all interpreters; see
    /// [`cpython_layout::structures::StopTheWorld`]. `None` if not found.
    pub stoptheworld: Option<u64>,
    /// The runtime's mutexes in `_PyRuntimeState`.
    pub mutexes: Vec<NamedMutex>,
}

impl RuntimeOffsets {
    pub(super) fn find(probe: &Probe<'_>, missing: &mut Vec<MissingField>) -> RuntimeOffsets {
        let build = probe.offsets.build;
        let is_main =
            |at| probe.main != 0 && probe.word(probe.runtime.wrapping_add(at)) == Some(probe.main);
        let auto = probe.near(build.runtime.auto_interpreter, 1024, is_main);
        if auto.is_none() {
            missing.push(MissingField {
                what: "the state of stop-the-world pauses of all interpreters, and mutexes of the runtime",
                why: "there is no pointer to the main interpreter near the expected offset".into(),
            });
        }
        let mutexes = mutexes::find(build, |anchor| match anchor {
            Anchor::InterpretersHead => Some(probe.offsets.runtime_state.interpreters_head),
            Anchor::AutoInterpreter => auto,
            _ => None,
        });
        RuntimeOffsets { stoptheworld: auto.map(|auto| auto + build.runtime.stoptheworld), mutexes }
    }
}
