//! What ways through an init function come to.

use crate::gil_analysis::slots::SlotReading;
use crate::gil_analysis::value::Value;

/// What one way through an init function comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PathOutcome {
    /// `PyModuleDef_Init` is called, here.
    Definition(SlotReading, u64),
    /// Slots are handed over.
    Slots(SlotReading),
    /// A module is handed over.
    Module {
        /// What `PyUnstable_Module_SetGIL` was told, and where.
        gil: Option<(Value, u64)>,
        /// Where it was made.
        created_at: Option<u64>,
        /// A call that may have said more.
        skipped_call: Option<u64>,
    },
}

/// What all ways come to.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// What the ways come to that are not known to fail.
    pub(crate) outcomes: Vec<PathOutcome>,
    /// The bound was met before every way was gone.
    pub(crate) truncated: bool,
    /// Where a way was lost_at: at what could not be read, or a jump to where the file does not say.
    pub(crate) lost_at: Option<u64>,
    /// A way came to an end with the stack in disorder.
    pub(crate) unbalanced_stack: bool,
}
