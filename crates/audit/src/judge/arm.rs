//! One 64-bit Arm instruction at a time, as far as an init function needs it.
//!
//! Every instruction is four bytes and says in the same places what it writes, so what is not followed is known to change one
//! register, and is made to. Layouts: Arm Architecture Reference Manual, C4 (A64 instruction set encoding).

use crate::image::Image;
use crate::judge::machine::{Flow, Outline, Target};
use crate::judge::state::{Compared, Condition, State, Value, mask, signed};

mod memory;

/// The stack pointer's number here; in instructions it shares it with the register that is zero.
pub(crate) const STACK: usize = 31;
/// Where a return address is kept.
const LINK: usize = 30;

/// The bits of a word from `low`, `len` of them.
fn bits(word: u32, low: u32, len: u32) -> u32 {
    (word >> low) & ((1 << len) - 1)
}

/// The same as a signed number.
fn signed_bits(word: u32, low: u32, len: u32) -> i64 {
    let value = u64::from(bits(word, low, len));
    ((value << (64 - len)) as i64) >> (64 - len)
}

fn fetch(image: &Image, address: u64) -> Option<u32> {
    image.code(address)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The address of an instruction's target, `len` bits of words from `low`.
fn target(at: u64, word: u32, low: u32, len: u32) -> u64 {
    at.wrapping_add_signed(signed_bits(word, low, len) * 4)
}

fn register(state: &State, number: u32) -> Value {
    match number {
        31 => Value::Known(0),
        number => {
            state.registers.get(number as usize).map_or(Value::Known(0), |value| state.narrow(*value, 8))
        }
    }
}

fn set(state: &mut State, number: u32, value: Value) {
    if number != 31
        && let Some(slot) = state.registers.get_mut(number as usize)
    {
        *slot = value;
    }
}

/// Keeps a return address.
pub(crate) fn link(state: &mut State, back: u64) {
    state.registers[LINK] = Value::Known(back);
}

/// Carries out the instruction at `state.ip`. Leaves `ip` behind it.
pub(crate) fn step(image: &Image, state: &mut State) -> Flow {
    let at = state.ip;
    let Some(word) = fetch(image, at) else { return Flow::Lost };
    state.ip = at.wrapping_add(4);
    match bits(word, 25, 4) {
        // Reserved: what a compiler puts where nothing comes to.
        0..=3 => return Flow::End,
        8 | 9 => immediate(state, at, word),
        10 | 11 => return branch(state, at, word),
        4 | 6 | 12 | 14 => memory::access(image, state, at, word),
        5 | 13 => of_registers(state, word),
        _ => vector(state, word),
    }
    Flow::Next
}

fn branch(state: &mut State, at: u64, word: u32) -> Flow {
    let (rt, wide) = (bits(word, 0, 5), bits(word, 31, 1) == 1);
    match bits(word, 24, 8) {
        _ if bits(word, 26, 6) == 0b000101 => Flow::Jump(Target::Address(target(at, word, 0, 26))),
        _ if bits(word, 26, 6) == 0b100101 => Flow::Call(Target::Address(target(at, word, 0, 26))),
        0x54 => match bits(word, 0, 4) {
            14 | 15 => Flow::Jump(Target::Address(target(at, word, 5, 19))),
            code => Flow::Branch(condition(code), target(at, word, 5, 19), None),
        },
        0x34 | 0x35 | 0xb4 | 0xb5 => {
            state.width = if wide { 8 } else { 4 };
            let condition = if bits(word, 24, 1) == 0 { Condition::Equal } else { Condition::NotEqual };
            Flow::Branch(condition, target(at, word, 5, 19), Some(register(state, rt)))
        }
        0x36 | 0x37 | 0xb6 | 0xb7 => {
            let to = target(at, word, 5, 14);
            let bit = bits(word, 19, 5) | bits(word, 31, 1) << 5;
            match register(state, rt) {
                Value::Known(value) if (value >> bit) & 1 == u64::from(bits(word, 24, 1)) => {
                    Flow::Jump(Target::Address(to))
                }
                Value::Known(_) => Flow::Next,
                _ => {
                    state.compared = Compared::Otherwise;
                    Flow::Branch(Condition::Other, to, None)
                }
            }
        }
        // brk, hlt; a system call's result is unknown.
        0xd4 if bits(word, 21, 3) != 0 => Flow::End,
        0xd4 => {
            let value = state.fresh();
            set(state, 0, value);
            Flow::Next
        }
        0xd5 => {
            // mrs reads a register of the system's.
            if bits(word, 20, 2) == 0b11 && bits(word, 21, 1) == 1 {
                let value = state.fresh();
                set(state, rt, value);
            }
            Flow::Next
        }
        0xd6 | 0xd7 => match bits(word, 21, 3) {
            0 => Flow::Jump(Target::of(register(state, bits(word, 5, 5)))),
            1 => Flow::Call(Target::of(register(state, bits(word, 5, 5)))),
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

fn immediate(state: &mut State, at: u64, word: u32) {
    let (rd, rn) = (bits(word, 0, 5), bits(word, 5, 5));
    let width = if bits(word, 31, 1) == 1 { 8 } else { 4 };
    match bits(word, 23, 3) {
        // adr, adrp
        0 | 1 => {
            let offset = signed_bits(word, 5, 19) << 2 | i64::from(bits(word, 29, 2));
            let value = if width == 8 {
                (at & !0xfff).wrapping_add_signed(offset << 12)
            } else {
                at.wrapping_add_signed(offset)
            };
            set(state, rd, Value::Known(value));
        }
        // add, sub; 31 is the stack pointer unless what is written are flags.
        2 => {
            let amount = u64::from(bits(word, 10, 12)) << (12 * bits(word, 22, 1));
            let one = if rn == 31 { state.registers[STACK] } else { register(state, rn) };
            let (subtracts, flags) = (bits(word, 30, 1) == 1, bits(word, 29, 1) == 1);
            let value = sum(state, one, Value::Known(amount), subtracts, width);
            if flags {
                compare(state, one, Value::Known(amount), subtracts, width);
                set(state, rd, value);
            } else if rd == 31 {
                state.registers[STACK] = value;
            } else {
                set(state, rd, value);
            }
        }
        4 => {
            let value = match bitmask(word).map(|other| (other, register(state, rn))) {
                Some((other, one)) => logic(state, bits(word, 29, 2), one, Value::Known(other), width),
                None => state.fresh(),
            };
            match bits(word, 29, 2) {
                3 => {
                    state.width = width;
                    state.compared = Compared::Common(value, value);
                    set(state, rd, value);
                }
                _ if rd == 31 => state.registers[STACK] = value,
                _ => set(state, rd, value),
            }
        }
        5 => {
            let shift = 16 * bits(word, 21, 2);
            let part = u64::from(bits(word, 5, 16)) << shift;
            let value = match (bits(word, 29, 2), register(state, rd)) {
                (0, _) => Value::Known(!part & mask(width)),
                (2, _) => Value::Known(part & mask(width)),
                (_, Value::Known(before)) => Value::Known(before & !(0xffff << shift) | part),
                _ => state.fresh(),
            };
            set(state, rd, value);
        }
        // ubfm from bit 0 cuts a number off, and a symbol stands for its low bytes too.
        6 if bits(word, 29, 2) == 2 && bits(word, 16, 6) == 0 => {
            let value = match register(state, rn) {
                Value::Known(value) => Value::Known(value & (u64::MAX >> (63 - bits(word, 10, 6)))),
                other => other,
            };
            set(state, rd, value);
        }
        _ => {
            let value = state.fresh();
            set(state, rd, value);
        }
    }
}

/// The number that a logical instruction's immediate stands for: a run of ones, turned, repeated.
fn bitmask(word: u32) -> Option<u64> {
    let (n, turn, ones) = (bits(word, 22, 1), bits(word, 16, 6), bits(word, 10, 6));
    let kind = n << 6 | (!ones & 0x3f);
    let size = 1u32 << kind.checked_ilog2()?;
    let (ones, turn) = (ones & (size - 1), turn & (size - 1));
    if size < 2 || ones == size - 1 {
        return None;
    }
    let run = (1u64 << (ones + 1)) - 1;
    let all = u64::MAX >> (64 - size);
    let turned = if turn == 0 { run } else { (run >> turn | run << (size - turn)) & all };
    Some((0..64 / size).fold(0, |value, n| value | turned << (n * size)))
}

fn sum(state: &mut State, one: Value, other: Value, subtracts: bool, width: u32) -> Value {
    match (one, other) {
        (Value::Known(one), Value::Known(other)) => {
            let value = if subtracts { one.wrapping_sub(other) } else { one.wrapping_add(other) };
            Value::Known(value & mask(width))
        }
        (value, Value::Known(0)) => value,
        (Value::Known(0), value) if !subtracts => value,
        _ => state.fresh(),
    }
}

fn compare(state: &mut State, one: Value, other: Value, subtracts: bool, width: u32) {
    state.width = width;
    state.compared = if subtracts { Compared::Difference(one, other) } else { Compared::Otherwise };
}

/// and, orr, eor, ands.
fn logic(state: &mut State, kind: u32, one: Value, other: Value, width: u32) -> Value {
    match (kind, one, other) {
        (_, Value::Known(one), Value::Known(other)) => {
            let value = match kind {
                1 => one | other,
                2 => one ^ other,
                _ => one & other,
            };
            Value::Known(value & mask(width))
        }
        (1 | 2, value, Value::Known(0)) | (1 | 2, Value::Known(0), value) => value,
        (0 | 3, _, Value::Known(0)) | (0 | 3, Value::Known(0), _) => Value::Known(0),
        (0 | 3, one, other) if one == other => one,
        // A symbol whose low bits are all that is asked for.
        (0 | 3, value, Value::Known(low)) if (low & low.wrapping_add(1)) == 0 && low >= 0xff => value,
        _ => state.fresh(),
    }
}

fn of_registers(state: &mut State, word: u32) {
    let (rd, rn, rm) = (bits(word, 0, 5), bits(word, 5, 5), bits(word, 16, 5));
    let width = if bits(word, 31, 1) == 1 { 8 } else { 4 };
    let (one, other) = (register(state, rn), register(state, rm));
    let value = match bits(word, 24, 5) {
        // Logic, with the other turned around or shifted by what is not followed.
        0x0a if bits(word, 21, 1) == 0 && bits(word, 10, 6) == 0 => {
            let value = logic(state, bits(word, 29, 2), one, other, width);
            if bits(word, 29, 2) == 3 {
                state.width = width;
                state.compared = Compared::Common(one, other);
            }
            value
        }
        // add, sub of registers; of an extended one (bit 21) as it is.
        0x0b => {
            let plain = bits(word, 10, 6) == 0 && bits(word, 21, 1) == 0;
            let subtracts = bits(word, 30, 1) == 1;
            let other = match other {
                _ if plain => other,
                Value::Known(number) if bits(word, 21, 1) == 0 && bits(word, 22, 2) == 0 => {
                    Value::Known(number << (bits(word, 10, 6) & 63))
                }
                _ => state.fresh(),
            };
            if bits(word, 29, 1) == 1 {
                compare(state, one, other, subtracts, width);
            }
            sum(state, one, other, subtracts, width)
        }
        // csel, csinc, csinv, csneg
        0x1a if bits(word, 21, 3) == 4 => {
            let other = match (bits(word, 30, 1) << 1 | bits(word, 10, 1), other) {
                (0, other) => other,
                (1, Value::Known(number)) => Value::Known(number.wrapping_add(1) & mask(width)),
                (2, Value::Known(number)) => Value::Known(!number & mask(width)),
                (_, Value::Known(number)) => Value::Known(number.wrapping_neg() & mask(width)),
                _ => state.fresh(),
            };
            match state.holds(condition(bits(word, 12, 4))) {
                Some(true) => one,
                Some(false) => other,
                None if one == other => one,
                None => state.fresh(),
            }
        }
        // A comparison of what another allows: ccmp writes flags alone.
        0x1a if bits(word, 21, 3) == 2 => {
            state.compared = Compared::Otherwise;
            return;
        }
        _ => {
            if bits(word, 29, 1) == 1 {
                state.compared = Compared::Otherwise;
            }
            state.fresh()
        }
    };
    set(state, rd, value);
}

fn vector(state: &mut State, word: u32) {
    let value = state.fresh();
    let rd = bits(word, 0, 5) as usize & 31;
    // movi with all bits zero; whatever its shape.
    let zero = word & 0x9ff8_0400 == 0x0f00_0400 && bits(word, 16, 3) == 0 && bits(word, 5, 5) == 0;
    state.vectors[rd] = if zero && bits(word, 29, 1) == 0 { [Value::Known(0); 4] } else { [value; 4] };
    if zero && bits(word, 29, 1) == 1 && bits(word, 12, 4) == 14 {
        state.vectors[rd] = [Value::Known(0); 4];
    }
    if !zero {
        // Some move to a general register, some compare.
        set(state, rd as u32, value);
        state.compared = Compared::Otherwise;
        if word & 0xffff_fc00 == 0x9e67_0000 {
            // fmov d, x
            let from = register(state, bits(word, 5, 5));
            state.vectors[rd] = [from, Value::Known(0), Value::Known(0), Value::Known(0)];
        }
    }
}

/// Where the instruction at an address leads.
pub(crate) fn outline(image: &Image, at: u64) -> Option<Outline> {
    let word = fetch(image, at)?;
    let mut outline =
        Outline { next: at.wrapping_add(4), falls: true, jumps: None, calls: None, names: None };
    match bits(word, 25, 4) {
        0..=3 => return None,
        10 | 11 => match bits(word, 24, 8) {
            _ if bits(word, 26, 6) == 0b000101 => {
                outline.falls = false;
                outline.jumps = Some(target(at, word, 0, 26));
            }
            _ if bits(word, 26, 6) == 0b100101 => {
                outline.calls = Some(Target::Address(target(at, word, 0, 26)))
            }
            0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => outline.jumps = Some(target(at, word, 5, 19)),
            0x36 | 0x37 | 0xb6 | 0xb7 => outline.jumps = Some(target(at, word, 5, 14)),
            0xd4 if bits(word, 21, 3) != 0 => outline.falls = false,
            0xd6 | 0xd7 => match bits(word, 21, 3) {
                1 => outline.calls = Some(Target::Unknown),
                _ => outline.falls = false,
            },
            _ => {}
        },
        // adrp and the add behind it name an address together.
        8 | 9 if bits(word, 24, 5) == 0x10 => {
            let mut state = State::new(at, STACK);
            let rd = bits(word, 0, 5);
            immediate(&mut state, at, word);
            if let Some(next) = fetch(image, outline.next)
                && bits(next, 22, 9) == 0x44
                && bits(next, 5, 5) == rd
            {
                immediate(&mut state, outline.next, next);
                outline.names = register(&state, bits(next, 0, 5)).known();
            } else if bits(word, 31, 1) == 0 {
                outline.names = register(&state, rd).known();
            }
        }
        _ => {}
    }
    Some(outline)
}

/// A number of `size` bytes, wider by its sign.
fn widened(value: Value, size: u32) -> Value {
    match value {
        Value::Known(number) => Value::Known(signed(number, size) as u64),
        other => other,
    }
}
