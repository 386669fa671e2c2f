//! What an instruction does to the way through a function.

use crate::judge::state::Condition;
use crate::judge::value::Value;

/// What comes after an instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flow {
    /// The next one.
    Next,
    /// Another one.
    Jump(Target),
    /// If the condition holds (of a value against zero, where there is one; of the last comparison otherwise), what is at the
    /// address; else the next one.
    Branch(Condition, u64, Option<Value>),
    /// A function, and then the next one.
    Call(Target),
    /// Whatever called.
    Return,
    /// Nothing: the program ends here.
    End,
    /// What cannot be read.
    Lost,
}

/// Where a call or a jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To code of the image.
    Address(u64),
    /// To an import.
    Import(u32),
    /// To somewhere the file does not say.
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

/// An instruction, as far as the way through a function goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    /// The address behind it.
    pub(crate) next: u64,
    /// It goes on behind it.
    pub(crate) falls: bool,
    /// Where it branches or jumps.
    pub(crate) jumps: Option<u64>,
    /// What it calls.
    pub(crate) calls: Option<Target>,
    /// An address that it names as data: a function handed to another, perhaps.
    pub(crate) names: Option<u64>,
}
