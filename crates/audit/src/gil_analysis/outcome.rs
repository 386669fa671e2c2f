//! Outcomes of paths through an init function.

use crate::gil_analysis::slots::SlotReading;
use crate::gil_analysis::value::Value;

/// Outcome of one path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PathOutcome {
    /// `PyModuleDef_Init` is called with this definition, at this address.
    Definition(SlotReading, u64),
    /// Slots are returned.
    Slots(SlotReading),
    /// A module is returned.
    Module {
        /// Argument of `PyUnstable_Module_SetGIL` and the address of the call.
        gil: Option<(Value, u64)>,
        /// Address of the call that created the module.
        created_at: Option<u64>,
        /// Address of a call that was not followed and may have set the GIL mode.
        skipped_call: Option<u64>,
    },
}

/// Result of symbolic execution of an init function.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// Distinct outcomes of the paths that are not known to fail.
    pub(crate) outcomes: Vec<PathOutcome>,
    /// A limit was reached before every path was followed.
    pub(crate) truncated: bool,
    /// Address at which a path was lost: an instruction that cannot be decoded, or a jump to an
    /// unknown address.
    pub(crate) lost_at: Option<u64>,
    /// A path returned with a wrong stack pointer.
    pub(crate) unbalanced_stack: bool,
}
