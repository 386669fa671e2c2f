//! Control flow of single instructions, the same for every machine.

use crate::judge::state::Condition;
use crate::judge::value::Value;

/// Control flow after an instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flow {
    /// Continues with the next instruction.
    Next,
    /// Continues at another instruction.
    Jump(Target),
    /// Continues at the address if the condition holds, else with the next instruction. The
    /// condition is of the value against zero if there is one, otherwise of the last comparison.
    Branch(Condition, u64, Option<Value>),
    /// Calls a function, then continues with the next instruction.
    Call(Target),
    /// Returns to the caller.
    Return,
    /// Ends the program.
    End,
    /// Unknown: the instruction cannot be decoded.
    Lost,
}

/// Target of a call or a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Code of the image.
    Address(u64),
    /// An import.
    Import(u32),
    /// Not determined by the file.
    Unknown,
}

impl Target {
    pub(crate) fn of(value: Value) -> Target {
        match value {
            Value::Known(address) => Target::Address(address),
            Value::Import(index) => Target::Import(index),
            Value::Symbol(_) => Target::Unknown,
        }
    }
}

/// Control flow of an instruction that is decoded without a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    /// Address of the next instruction.
    pub(crate) next: u64,
    /// Whether control can continue there.
    pub(crate) falls: bool,
    /// Target of its branch or jump.
    pub(crate) jumps: Option<u64>,
    /// Target of its call.
    pub(crate) calls: Option<Target>,
    /// Address that it loads as data, such as a function passed to another.
    pub(crate) names: Option<u64>,
}
