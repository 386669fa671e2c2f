//! State of symbolic execution at one point of a path: registers, memory, the last comparison, the
//! call stack.
//!
//! A value is either known (a number, an address, an import) or a symbol for something that the
//! file does not determine, such as the result of a call. A symbol keeps its identity when it is
//! copied, so one comparison with zero applies to every copy. This distinguishes the paths that
//! fail from those that return a module.

use crate::gil_analysis::created_modules::CreatedModules;
use crate::gil_analysis::memory::{Memory, STACK_START};
use crate::gil_analysis::value::{Value, mask, signed};
use crate::image::Image;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// The last comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Comparison {
    /// Subtraction of the second value from the first.
    Difference(Value, Value),
    /// Bitwise and of two values.
    BitTest(Value, Value),
    /// A comparison that is not modelled.
    Unknown,
}

/// Condition of a branch on the last comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Equal,
    NotEqual,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Greater,
    Below,
    AboveOrEqual,
    BelowOrEqual,
    Above,
    Negative,
    NotNegative,
    Other,
}

/// A call that was entered.
#[derive(Debug, Clone)]
pub(crate) struct CallFrame {
    /// Address to return to; 0 for the init function.
    pub(crate) return_address: u64,
    /// Stack pointer at entry, which must be restored on return.
    pub(crate) stack: u64,
    /// General registers at entry.
    pub(crate) registers: Rc<[Value; 32]>,
}

/// State at one point of a path.
#[derive(Debug, Clone)]
pub(crate) struct ExecState {
    /// Address of the next instruction.
    pub(crate) ip: u64,
    /// General registers, by their number in instructions.
    pub(crate) registers: [Value; 32],
    /// Vector registers, in lanes of 64 bits.
    pub(crate) vectors: [[Value; 4]; 32],
    pub(crate) memory: Memory,
    pub(crate) comparison: Comparison,
    /// Width of the last comparison in bytes.
    pub(crate) compared_width: u32,
    pub(crate) frames: Vec<CallFrame>,
    /// Symbols that were compared with zero, and the result.
    zero: FxHashMap<u32, bool>,
    next_symbol: u32,
    /// Modules created so far, with their GIL settings.
    pub(crate) modules: CreatedModules,
    /// Module passed to `PyState_AddModule`.
    pub(crate) added_module: Option<Value>,
    /// An exception is set.
    pub(crate) error_set: bool,
    /// A function of the image was skipped, so variables may have been initialized since.
    pub(crate) stale: bool,
    /// Address of a skipped call that may have set the GIL mode.
    pub(crate) skipped_call: Option<u64>,
}

impl ExecState {
    /// Returns the state at the entry of a function. `stack` is the register number of the stack
    /// pointer.
    pub(crate) fn new(ip: u64, stack: usize) -> ExecState {
        let symbol = |n: usize| Value::Symbol(n as u32);
        let mut registers = std::array::from_fn(symbol);
        registers[stack] = Value::Known(STACK_START);
        let frame =
            CallFrame { return_address: 0, stack: STACK_START, registers: Rc::new(registers) };
        ExecState {
            ip,
            registers,
            vectors: std::array::from_fn(|n| std::array::from_fn(|lane| symbol(32 + 4 * n + lane))),
            memory: Memory::default(),
            comparison: Comparison::Unknown,
            compared_width: 8,
            frames: vec![frame],
            zero: FxHashMap::default(),
            next_symbol: 256,
            modules: CreatedModules::default(),
            added_module: None,
            error_set: false,
            stale: false,
            skipped_call: None,
        }
    }

    /// Returns a new unknown value.
    pub(crate) fn fresh_symbol(&mut self) -> Value {
        self.next_symbol = self.next_symbol.wrapping_add(1);
        Value::Symbol(self.next_symbol)
    }

    /// Returns a new unknown value that is not zero.
    pub(crate) fn fresh_address(&mut self) -> Value {
        let value = self.fresh_symbol();
        self.learn(value, false);
        value
    }

    /// Returns the low `size` bytes of a value, replaced by zero if comparisons showed that. A
    /// symbol also stands for its low bytes: compilers narrow only values they know to be narrow.
    pub(crate) fn narrow(&self, value: Value, size: u32) -> Value {
        match value {
            Value::Known(number) => Value::Known(number & mask(size)),
            Value::Symbol(symbol) if self.is_zero(symbol) == Some(true) => Value::Known(0),
            other => other,
        }
    }

    fn is_zero(&self, symbol: u32) -> Option<bool> {
        self.zero.get(&symbol).copied()
    }

    /// Records whether a value is zero.
    pub(crate) fn learn(&mut self, value: Value, zero: bool) {
        if let Value::Symbol(symbol) = value {
            // More than any real function compares. Dropping a fact costs an extra path, not
            // correctness.
            if self.zero.len() < 4_096 {
                self.zero.insert(symbol, zero);
            }
        }
    }

    /// Loads `size` bytes (at most 8) from memory.
    pub(crate) fn load(&mut self, image: &Image, address: Option<u64>, size: u32) -> Value {
        let value = address
            .filter(|address| !(self.stale && self.memory.is_unwritten_zero(image, *address)))
            .and_then(|address| self.memory.load(image, address, size));
        match value {
            Some(value) => self.narrow(value, size),
            None => self.fresh_symbol(),
        }
    }

    /// Returns the value that the last comparison compares with zero, if it does.
    fn against_zero(&self) -> Option<Value> {
        match self.comparison {
            Comparison::Difference(value, Value::Known(0)) => Some(value),
            Comparison::BitTest(one, other) if one == other => Some(one),
            _ => None,
        }
    }

    /// Returns a hash that is equal for states with the same possible futures. Symbols are hashed
    /// by what is known about them.
    pub(crate) fn digest(&self) -> u64 {
        let of = |value: Value| match value {
            Value::Known(number) => (0, number),
            Value::Import(index) => (1, u64::from(index)),
            Value::Symbol(symbol) => match (self.modules.index(value), self.is_zero(symbol)) {
                (Some(index), _) => (4, index as u64),
                (None, Some(true)) => (0, 0),
                (None, Some(false)) => (2, 0),
                (None, None) => (3, 0),
            },
        };
        let mut hasher = FxHasher::default();
        self.ip.hash(&mut hasher);
        for frame in &self.frames {
            frame.return_address.hash(&mut hasher);
        }
        for &value in &self.registers {
            of(value).hash(&mut hasher);
        }
        self.modules.hash(of, &mut hasher);
        let flags =
            (self.added_module.is_some(), self.skipped_call.is_some(), self.error_set, self.stale);
        flags.hash(&mut hasher);
        // Independent of the order of words.
        let mut words = 0u64;
        for (address, value) in self.memory.words() {
            let mut hasher = FxHasher::default();
            (address, of(value)).hash(&mut hasher);
            words = words.wrapping_add(hasher.finish());
        }
        words.hash(&mut hasher);
        hasher.finish()
    }

    /// Evaluates a condition. Returns `None` if it depends on unknown values.
    pub(crate) fn holds(&self, condition: Condition) -> Option<bool> {
        let (one, other) = match self.comparison {
            Comparison::Difference(one, other) => {
                (self.narrow(one, self.compared_width), self.narrow(other, self.compared_width))
            }
            Comparison::BitTest(one, other) => {
                match (
                    self.narrow(one, self.compared_width),
                    self.narrow(other, self.compared_width),
                ) {
                    (Value::Known(one), Value::Known(other)) => {
                        (Value::Known(one & other), Value::Known(0))
                    }
                    (Value::Known(0), _) | (_, Value::Known(0)) => {
                        (Value::Known(0), Value::Known(0))
                    }
                    (one, other) if one == other => (one, Value::Known(0)),
                    _ => return None,
                }
            }
            Comparison::Unknown => return None,
        };
        if let (Value::Known(one), Value::Known(other)) = (one, other) {
            return decide(condition, one, other, self.compared_width);
        }
        let differ = match (one, other) {
            (Value::Import(one), Value::Import(other)) => one != other,
            (Value::Import(_), Value::Known(0)) | (Value::Known(0), Value::Import(_)) => true,
            (Value::Symbol(symbol), Value::Known(0)) => !self.is_zero(symbol)?,
            (one, other) if one == other => false,
            _ => return None,
        };
        match condition {
            Condition::Equal => Some(!differ),
            Condition::NotEqual => Some(differ),
            _ => None,
        }
    }

    /// Records what a taken branch implies for the compared value.
    pub(crate) fn assume(&mut self, condition: Condition, holds: bool) {
        let Some(value) = self.against_zero() else { return };
        match condition {
            Condition::Equal => self.learn(value, holds),
            Condition::NotEqual => self.learn(value, !holds),
            _ => {}
        }
    }
}

fn decide(condition: Condition, one: u64, other: u64, width: u32) -> Option<bool> {
    let (a, b) = (signed(one, width), signed(other, width));
    let difference = signed(one.wrapping_sub(other) & mask(width), width);
    Some(match condition {
        Condition::Equal => one == other,
        Condition::NotEqual => one != other,
        Condition::Less => a < b,
        Condition::GreaterOrEqual => a >= b,
        Condition::LessOrEqual => a <= b,
        Condition::Greater => a > b,
        Condition::Below => one < other,
        Condition::AboveOrEqual => one >= other,
        Condition::BelowOrEqual => one <= other,
        Condition::Above => one > other,
        Condition::Negative => difference < 0,
        Condition::NotNegative => difference >= 0,
        Condition::Other => return None,
    })
}
