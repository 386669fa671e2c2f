//! What ways through an init function come to.

use crate::judge::slots::Reading;
use crate::judge::value::Value;

/// What one way through an init function comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// `PyModuleDef_Init` is called, here.
    Definition(Reading, u64),
    /// Slots are handed over.
    Slots(Reading),
    /// A module is handed over.
    Module {
        /// What `PyUnstable_Module_SetGIL` was told, and where.
        gil: Option<(Value, u64)>,
        /// Where it was made.
        made: Option<u64>,
        /// A call that may have said more.
        passed: Option<u64>,
    },
}

/// What all ways come to.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// What the ways come to that are not known to fail.
    pub(crate) outcomes: Vec<Outcome>,
    /// The bound was met before every way was gone.
    pub(crate) cut_off: bool,
    /// Where a way was lost: at what could not be read, or a jump to where the file does not say.
    pub(crate) lost: Option<u64>,
    /// A way came to an end with the stack in disorder.
    pub(crate) astray: bool,
}
