//! Loads and stores of 64-bit Arm.

use super::data::widened;
use super::{bits, register, set, signed_bits};
use crate::gil_analysis::state::{Comparison, ExecState};
use crate::gil_analysis::value::Value;
use crate::image::Image;

/// Executes a load or a store.
pub(super) fn access(image: &Image, state: &mut ExecState, at: u64, word: u32) {
    let is_vector = bits(word, 26, 1) == 1;
    let rt = bits(word, 0, 5);
    match bits(word, 27, 3) {
        // ldr (literal).
        3 if bits(word, 24, 2) == 0 => {
            let from = Some(at.wrapping_add_signed(signed_bits(word, 5, 19) * 4));
            let size = if is_vector {
                4 << bits(word, 30, 2)
            } else {
                [4, 8, 4, 8][bits(word, 30, 2) as usize & 3]
            };
            let signed = !is_vector && bits(word, 30, 2) == 2;
            load(image, state, rt, from, size, signed, is_vector);
        }
        5 => pair(image, state, word, is_vector),
        7 if bits(word, 24, 2) == 1 => {
            let (size, kind) = shape(word, is_vector);
            let offset = u64::from(bits(word, 10, 12)) * u64::from(size);
            let address = base(state, word).map(|base| base.wrapping_add(offset));
            single(image, state, rt, address, size, kind, is_vector);
        }
        7 if bits(word, 24, 2) == 0 => {
            let (size, kind) = shape(word, is_vector);
            let base = base(state, word);
            let moved = base.map(|base| base.wrapping_add_signed(signed_bits(word, 12, 9)));
            match (bits(word, 21, 1), bits(word, 10, 2)) {
                (0, 1) => {
                    single(image, state, rt, base, size, kind, is_vector);
                    put_back(state, word, moved);
                }
                (0, 3) => {
                    put_back(state, word, moved);
                    single(image, state, rt, moved, size, kind, is_vector);
                }
                (0, _) => single(image, state, rt, moved, size, kind, is_vector),
                (1, 2) => {
                    let shift = if bits(word, 12, 1) == 1 { size.trailing_zeros() } else { 0 };
                    let offset = register(state, bits(word, 16, 5)).known();
                    // Extended index registers are not modelled.
                    let offset =
                        offset.filter(|_| bits(word, 13, 3) == 3).map(|offset| offset << shift);
                    let address = base.zip(offset).map(|(base, offset)| base.wrapping_add(offset));
                    if let (Some(base), None, 0) = (base, address, kind) {
                        state.memory.mark_indexed(base);
                    }
                    single(image, state, rt, address, size, kind, is_vector);
                }
                // ldapr, an ordered load.
                _ if bits(word, 12, 9) == 0b1_1111_1100 && bits(word, 22, 2) == 2 => {
                    load(image, state, rt, base, size, false, is_vector);
                }
                // Atomic operations: rt and the memory become unknown.
                _ => {
                    let value = state.fresh_symbol();
                    set(state, rt, value);
                    forget(image, state, base, size);
                }
            }
        }
        // Exclusive and ordered accesses.
        1 if !is_vector => {
            let size = 1 << bits(word, 30, 2);
            let from = base(state, word);
            if bits(word, 22, 1) == 1 {
                load(image, state, rt, from, size, false, false);
            } else if bits(word, 23, 1) == 1 {
                store(image, state, rt, from, size, false);
            } else {
                let value = state.fresh_symbol();
                set(state, bits(word, 16, 5), value);
                forget(image, state, from, size);
            }
            state.comparison = Comparison::Unknown;
        }
        _ => {
            for n in 0..4 {
                let value = state.fresh_symbol();
                state.vectors[(rt as usize + n) & 31] = [value; 4];
            }
        }
    }
}

/// Returns the size in bytes and the kind: store (0), load (1), sign-extending load (2).
fn shape(word: u32, is_vector: bool) -> (u32, u32) {
    let (size, opc) = (bits(word, 30, 2), bits(word, 22, 2));
    if is_vector {
        return (if opc >= 2 { 16 } else { 1 << size }, opc & 1);
    }
    (1 << size, opc.min(2))
}

fn base(state: &ExecState, word: u32) -> Option<u64> {
    // Register 31 is the stack pointer here.
    state.registers.get(bits(word, 5, 5) as usize).and_then(|value| value.known())
}

fn put_back(state: &mut ExecState, word: u32, address: Option<u64>) {
    let value = address.map_or_else(|| state.fresh_symbol(), Value::Known);
    if let Some(slot) = state.registers.get_mut(bits(word, 5, 5) as usize) {
        *slot = value;
    }
}

fn single(
    image: &Image,
    state: &mut ExecState,
    rt: u32,
    at: Option<u64>,
    size: u32,
    kind: u32,
    is_vector: bool,
) {
    match kind {
        0 => store(image, state, rt, at, size, is_vector),
        kind => load(image, state, rt, at, size, kind == 2, is_vector),
    }
}

fn pair(image: &Image, state: &mut ExecState, word: u32, is_vector: bool) {
    let opc = bits(word, 30, 2);
    let size = if is_vector {
        4 << opc.min(2)
    } else if opc == 2 {
        8
    } else {
        4
    };
    let base = base(state, word);
    let moved =
        base.map(|base| base.wrapping_add_signed(signed_bits(word, 15, 7) * i64::from(size)));
    let mode = bits(word, 23, 2);
    let at = if mode == 1 { base } else { moved };
    let second = at.map(|at| at.wrapping_add(u64::from(size)));
    let (rt, rt2) = (bits(word, 0, 5), bits(word, 10, 5));
    let loads = bits(word, 22, 1) == 1;
    if !loads {
        store(image, state, rt, at, size, is_vector);
        store(image, state, rt2, second, size, is_vector);
    }
    if mode & 1 == 1 {
        put_back(state, word, moved);
    }
    if loads {
        load(image, state, rt, at, size, opc == 1, is_vector);
        load(image, state, rt2, second, size, opc == 1, is_vector);
    }
}

fn load(
    image: &Image,
    state: &mut ExecState,
    rt: u32,
    at: Option<u64>,
    size: u32,
    signed: bool,
    is_vector: bool,
) {
    let first = state.load(image, at, size.min(8));
    if is_vector {
        let second = match size {
            16 => state.load(image, at.map(|at| at.wrapping_add(8)), 8),
            _ => Value::Known(0),
        };
        state.vectors[rt as usize & 31] = [first, second, Value::Known(0), Value::Known(0)];
    } else {
        set(state, rt, if signed { widened(first, size) } else { first });
    }
}

fn store(
    image: &Image,
    state: &mut ExecState,
    rt: u32,
    at: Option<u64>,
    size: u32,
    is_vector: bool,
) {
    let Some(at) = at else { return };
    let [first, second] = if is_vector {
        let lanes = state.vectors[rt as usize & 31];
        [lanes[0], lanes[1]]
    } else {
        [register(state, rt), Value::Known(0)]
    };
    state.memory.store(image, at, size.min(8), state.narrow(first, size.min(8)));
    if size == 16 {
        state.memory.store(image, at.wrapping_add(8), 8, second);
    }
}

fn forget(image: &Image, state: &mut ExecState, at: Option<u64>, size: u32) {
    if let Some(at) = at {
        let value = state.fresh_symbol();
        state.memory.store(image, at, size.min(8), value);
    }
}
