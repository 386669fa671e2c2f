//! 64-bit Arm instructions that compute in registers: arithmetic, logic, addresses, conditional
//! selection.

use super::{STACK, bits, condition, register, set, signed_bits};
use crate::gil_analysis::state::{Comparison, ExecState};
use crate::gil_analysis::value::{Value, mask, signed};

pub(super) fn immediate(state: &mut ExecState, at: u64, word: u32) {
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
        // add, sub. Register 31 is the stack pointer, or the zero register if the instruction sets
        // flags.
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
                Some((other, one)) => {
                    logic(state, bits(word, 29, 2), one, Value::Known(other), width)
                }
                None => state.fresh_symbol(),
            };
            match bits(word, 29, 2) {
                3 => {
                    state.compared_width = width;
                    state.comparison = Comparison::BitTest(value, value);
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
                _ => state.fresh_symbol(),
            };
            set(state, rd, value);
        }
        // ubfm from bit 0 truncates, and a symbol also stands for its low bytes.
        6 if bits(word, 29, 2) == 2 && bits(word, 16, 6) == 0 => {
            let value = match register(state, rn) {
                Value::Known(value) => Value::Known(value & (u64::MAX >> (63 - bits(word, 10, 6)))),
                other => other,
            };
            set(state, rd, value);
        }
        _ => {
            let value = state.fresh_symbol();
            set(state, rd, value);
        }
    }
}

/// Decodes the immediate of a logical instruction: a run of ones, rotated and repeated.
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

fn sum(state: &mut ExecState, one: Value, other: Value, subtracts: bool, width: u32) -> Value {
    match (one, other) {
        (Value::Known(one), Value::Known(other)) => {
            let value = if subtracts { one.wrapping_sub(other) } else { one.wrapping_add(other) };
            Value::Known(value & mask(width))
        }
        (value, Value::Known(0)) => value,
        (Value::Known(0), value) if !subtracts => value,
        (Value::Known(base), _) | (_, Value::Known(base)) => {
            state.memory.mark_indexed(base);
            state.fresh_symbol()
        }
        _ => state.fresh_symbol(),
    }
}

fn compare(state: &mut ExecState, one: Value, other: Value, subtracts: bool, width: u32) {
    state.compared_width = width;
    state.comparison =
        if subtracts { Comparison::Difference(one, other) } else { Comparison::Unknown };
}

/// and, orr, eor, ands.
fn logic(state: &mut ExecState, kind: u32, one: Value, other: Value, width: u32) -> Value {
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
        // A symbol of which only the low bits are used.
        (0 | 3, value, Value::Known(low)) if (low & low.wrapping_add(1)) == 0 && low >= 0xff => {
            value
        }
        _ => state.fresh_symbol(),
    }
}

pub(super) fn register_operation(state: &mut ExecState, word: u32) {
    let (rd, rn, rm) = (bits(word, 0, 5), bits(word, 5, 5), bits(word, 16, 5));
    let width = if bits(word, 31, 1) == 1 { 8 } else { 4 };
    let (one, other) = (register(state, rn), register(state, rm));
    let value = match bits(word, 24, 5) {
        // Logic without a shifted or inverted second operand.
        0x0a if bits(word, 21, 1) == 0 && bits(word, 10, 6) == 0 => {
            let value = logic(state, bits(word, 29, 2), one, other, width);
            if bits(word, 29, 2) == 3 {
                state.compared_width = width;
                state.comparison = Comparison::BitTest(one, other);
            }
            value
        }
        // add, sub of registers. Extended registers (bit 21) are not modelled.
        0x0b => {
            let plain = bits(word, 10, 6) == 0 && bits(word, 21, 1) == 0;
            let subtracts = bits(word, 30, 1) == 1;
            let other = match other {
                _ if plain => other,
                Value::Known(number) if bits(word, 21, 1) == 0 && bits(word, 22, 2) == 0 => {
                    Value::Known(number << (bits(word, 10, 6) & 63))
                }
                _ => state.fresh_symbol(),
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
                _ => state.fresh_symbol(),
            };
            match state.holds(condition(bits(word, 12, 4))) {
                Some(true) => one,
                Some(false) => other,
                None if one == other => one,
                None => state.fresh_symbol(),
            }
        }
        // ccmp: sets flags only, and is not modelled.
        0x1a if bits(word, 21, 3) == 2 => {
            state.comparison = Comparison::Unknown;
            return;
        }
        _ => {
            if bits(word, 29, 1) == 1 {
                state.comparison = Comparison::Unknown;
            }
            state.fresh_symbol()
        }
    };
    set(state, rd, value);
}

pub(super) fn vector(state: &mut ExecState, word: u32) {
    let value = state.fresh_symbol();
    let rd = bits(word, 0, 5) as usize & 31;
    // movi with an immediate of zero, in any lane size.
    let zero = word & 0x9ff8_0400 == 0x0f00_0400 && bits(word, 16, 3) == 0 && bits(word, 5, 5) == 0;
    state.vectors[rd] =
        if zero && bits(word, 29, 1) == 0 { [Value::Known(0); 4] } else { [value; 4] };
    if zero && bits(word, 29, 1) == 1 && bits(word, 12, 4) == 14 {
        state.vectors[rd] = [Value::Known(0); 4];
    }
    if !zero {
        // Some of these write a general register, some set flags.
        set(state, rd as u32, value);
        state.comparison = Comparison::Unknown;
        if word & 0xffff_fc00 == 0x9e67_0000 {
            // fmov d, x
            let from = register(state, bits(word, 5, 5));
            state.vectors[rd] = [from, Value::Known(0), Value::Known(0), Value::Known(0)];
        }
    }
}

/// Sign-extends a number of `size` bytes.
pub(super) fn widened(value: Value, size: u32) -> Value {
    match value {
        Value::Known(number) => Value::Known(signed(number, size) as u64),
        other => other,
    }
}
