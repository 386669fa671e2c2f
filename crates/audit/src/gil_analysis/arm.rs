//! Symbolic execution of 64-bit Arm instructions, as far as init functions need it.
//!
//! Every instruction has four bytes and encodes its destination register at the same position, so
//! an instruction that is not modelled makes that register unknown. Encodings: Arm Architecture
//! Reference Manual, C4 (A64 instruction set encoding).

use crate::gil_analysis::flow::{CallTarget, Flow, StaticFlow};
use crate::gil_analysis::state::{Comparison, Condition, ExecState};
use crate::gil_analysis::value::Value;
use crate::image::Image;

mod data;
mod memory;

use data::{immediate, register_operation, vector};

/// Number of the stack pointer. Instructions encode the zero register with the same number.
pub(crate) const STACK: usize = 31;
/// Register that holds the return address.
const LINK: usize = 30;

/// Returns `len` bits of a word, starting at bit `low`.
fn bits(word: u32, low: u32, len: u32) -> u32 {
    (word >> low) & ((1 << len) - 1)
}

/// Returns the same bits, sign-extended.
fn signed_bits(word: u32, low: u32, len: u32) -> i64 {
    let value = u64::from(bits(word, low, len));
    ((value << (64 - len)) as i64) >> (64 - len)
}

fn fetch(image: &Image, address: u64) -> Option<u32> {
    image.code(address)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Returns the target of a branch whose offset in words is the `len` bits from `low`.
fn target(at: u64, word: u32, low: u32, len: u32) -> u64 {
    at.wrapping_add_signed(signed_bits(word, low, len) * 4)
}

fn register(state: &ExecState, number: u32) -> Value {
    match number {
        31 => Value::Known(0),
        number => state
            .registers
            .get(number as usize)
            .map_or(Value::Known(0), |value| state.narrow(*value, 8)),
    }
}

fn set(state: &mut ExecState, number: u32, value: Value) {
    if number != 31
        && let Some(slot) = state.registers.get_mut(number as usize)
    {
        *slot = value;
    }
}

/// Sets the return address.
pub(crate) fn link(state: &mut ExecState, return_address: u64) {
    state.registers[LINK] = Value::Known(return_address);
}

/// Executes the instruction at `state.ip` and advances `ip` past it.
pub(crate) fn step(image: &Image, state: &mut ExecState) -> Flow {
    let at = state.ip;
    let Some(word) = fetch(image, at) else { return Flow::Lost };
    state.ip = at.wrapping_add(4);
    match bits(word, 25, 4) {
        // Reserved encodings, which compilers emit in unreachable code.
        0..=3 => return Flow::End,
        8 | 9 => immediate(state, at, word),
        10 | 11 => return branch(state, at, word),
        4 | 6 | 12 | 14 => memory::access(image, state, at, word),
        5 | 13 => register_operation(state, word),
        _ => vector(state, word),
    }
    Flow::Next
}

fn branch(state: &mut ExecState, at: u64, word: u32) -> Flow {
    let (rt, wide) = (bits(word, 0, 5), bits(word, 31, 1) == 1);
    match bits(word, 24, 8) {
        _ if bits(word, 26, 6) == 0b000101 => {
            Flow::Jump(CallTarget::Address(target(at, word, 0, 26)))
        }
        _ if bits(word, 26, 6) == 0b100101 => {
            Flow::Call(CallTarget::Address(target(at, word, 0, 26)))
        }
        0x54 => match bits(word, 0, 4) {
            14 | 15 => Flow::Jump(CallTarget::Address(target(at, word, 5, 19))),
            code => Flow::Branch(condition(code), target(at, word, 5, 19), None),
        },
        0x34 | 0x35 | 0xb4 | 0xb5 => {
            state.compared_width = if wide { 8 } else { 4 };
            let condition =
                if bits(word, 24, 1) == 0 { Condition::Equal } else { Condition::NotEqual };
            Flow::Branch(condition, target(at, word, 5, 19), Some(register(state, rt)))
        }
        0x36 | 0x37 | 0xb6 | 0xb7 => {
            let to = target(at, word, 5, 14);
            let bit = bits(word, 19, 5) | bits(word, 31, 1) << 5;
            match register(state, rt) {
                Value::Known(value) if (value >> bit) & 1 == u64::from(bits(word, 24, 1)) => {
                    Flow::Jump(CallTarget::Address(to))
                }
                Value::Known(_) => Flow::Next,
                _ => {
                    state.comparison = Comparison::Unknown;
                    Flow::Branch(Condition::Other, to, None)
                }
            }
        }
        // brk and hlt end the path; the result of a system call is unknown.
        0xd4 if bits(word, 21, 3) != 0 => Flow::End,
        0xd4 => {
            let value = state.fresh_symbol();
            set(state, 0, value);
            Flow::Next
        }
        // yield, and the isb that Rust emits for it, are in spin loops. The path that does not have
        // to wait is followed as well, so this one can end.
        0xd5 if matches!(word, 0xd503_203f | 0xd503_3fdf) => Flow::End,
        0xd5 => {
            // mrs reads a system register.
            if bits(word, 20, 2) == 0b11 && bits(word, 21, 1) == 1 {
                let value = state.fresh_symbol();
                set(state, rt, value);
            }
            Flow::Next
        }
        0xd6 | 0xd7 => match bits(word, 21, 3) {
            0 => Flow::Jump(CallTarget::of(register(state, bits(word, 5, 5)))),
            1 => Flow::Call(CallTarget::of(register(state, bits(word, 5, 5)))),
            2 => Flow::Return,
            _ => Flow::Lost,
        },
        _ => Flow::Lost,
    }
}

fn condition(code: u32) -> Condition {
    use Condition as C;
    let known = [
        C::Equal,
        C::NotEqual,
        C::AboveOrEqual,
        C::Below,
        C::Negative,
        C::NotNegative,
        C::Other,
        C::Other,
        C::Above,
        C::BelowOrEqual,
        C::GreaterOrEqual,
        C::Less,
        C::Greater,
        C::LessOrEqual,
    ];
    known.get(code as usize).copied().unwrap_or(C::Other)
}

/// Returns the control flow of the instruction at an address, decoded without a state.
pub(crate) fn static_flow(image: &Image, at: u64) -> Option<StaticFlow> {
    let word = fetch(image, at)?;
    let mut flow = StaticFlow {
        next: at.wrapping_add(4),
        falls_through: true,
        jump: None,
        call: None,
        data_ref: None,
    };
    match bits(word, 25, 4) {
        0..=3 => return None,
        10 | 11 => match bits(word, 24, 8) {
            _ if bits(word, 26, 6) == 0b000101 => {
                flow.falls_through = false;
                flow.jump = Some(target(at, word, 0, 26));
            }
            _ if bits(word, 26, 6) == 0b100101 => {
                flow.call = Some(CallTarget::Address(target(at, word, 0, 26)))
            }
            0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => flow.jump = Some(target(at, word, 5, 19)),
            0x36 | 0x37 | 0xb6 | 0xb7 => flow.jump = Some(target(at, word, 5, 14)),
            0xd4 if bits(word, 21, 3) != 0 => flow.falls_through = false,
            0xd6 | 0xd7 => match bits(word, 21, 3) {
                1 => flow.call = Some(CallTarget::Unknown),
                _ => flow.falls_through = false,
            },
            _ => {}
        },
        // adrp and the add after it form one address.
        8 | 9 if bits(word, 24, 5) == 0x10 => {
            let mut state = ExecState::new(at, STACK);
            let rd = bits(word, 0, 5);
            immediate(&mut state, at, word);
            if let Some(next) = fetch(image, flow.next)
                && bits(next, 22, 9) == 0x44
                && bits(next, 5, 5) == rd
            {
                immediate(&mut state, flow.next, next);
                flow.data_ref = register(&state, bits(next, 0, 5)).known();
            } else if bits(word, 31, 1) == 0 {
                flow.data_ref = register(&state, rd).known();
            }
        }
        _ => {}
    }
    Some(flow)
}
