//! Control flow of single instructions, independent of the architecture.

use crate::gil_analysis::state::Condition;
use crate::gil_analysis::value::Value;

/// Control flow after an instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flow {
    /// Continues with the next instruction.
    Next,
    /// Continues at another instruction.
    Jump(CallTarget),
    /// Continues at the address if the condition holds, else with the next instruction. The
    /// condition is of the value against zero if there is one, otherwise of the last comparison.
    Branch(Condition, u64, Option<Value>),
    /// Calls a function, then continues with the next instruction.
    Call(CallTarget),
    /// Returns to the caller.
    Return,
    /// Ends the program.
    End,
    /// Unknown: the instruction cannot be decoded.
    Lost,
}

/// Target of a call or a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallTarget {
    /// Code of the image.
    Address(u64),
    /// An import.
    Import(u32),
    /// Not determined by the file.
    Unknown,
}

impl CallTarget {
    pub(crate) fn of(value: Value) -> CallTarget {
        match value {
            Value::Known(address) => CallTarget::Address(address),
            Value::Import(index) => CallTarget::Import(index),
            Value::Symbol(_) => CallTarget::Unknown,
        }
    }
}

/// Control flow of an instruction that is decoded without a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StaticFlow {
    /// Address of the next instruction.
    pub(crate) next: u64,
    /// Whether control can continue there.
    pub(crate) falls_through: bool,
    /// Target of its branch or jump.
    pub(crate) jump: Option<u64>,
    /// Target of its call.
    pub(crate) call: Option<CallTarget>,
    /// Address that it loads as data, such as a function passed to another.
    pub(crate) data_ref: Option<u64>,
}
