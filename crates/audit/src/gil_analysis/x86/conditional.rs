//! Conditional x86-64 instructions: cmov, set and cmpxchg.

use super::condition;
use super::operands::{read, size, write};
use crate::gil_analysis::state::{Comparison, ExecState};
use crate::gil_analysis::value::Value;
use crate::image::Image;
use iced_x86::{Instruction, Mnemonic};

/// Returns whether an instruction is a cmov (`true`) or a set (`false`).
pub(super) fn conditional_kind(mnemonic: Mnemonic) -> Option<bool> {
    use Mnemonic as M;
    match mnemonic {
        M::Cmove
        | M::Cmovne
        | M::Cmovl
        | M::Cmovge
        | M::Cmovle
        | M::Cmovg
        | M::Cmovb
        | M::Cmovae
        | M::Cmovbe
        | M::Cmova
        | M::Cmovs
        | M::Cmovns => Some(true),
        M::Sete
        | M::Setne
        | M::Setl
        | M::Setge
        | M::Setle
        | M::Setg
        | M::Setb
        | M::Setae
        | M::Setbe
        | M::Seta
        | M::Sets
        | M::Setns => Some(false),
        _ => None,
    }
}

/// Executes a cmov or set instruction.
pub(super) fn execute_conditional(
    image: &Image,
    state: &mut ExecState,
    i: &Instruction,
    moves: bool,
) {
    let holds = state.holds(condition(i.condition_code()));
    let value = match (moves, holds) {
        (false, Some(holds)) => Value::Known(u64::from(holds)),
        (true, Some(true)) => read(image, state, i, 1),
        (true, Some(false)) => read(image, state, i, 0),
        (true, None) => match (read(image, state, i, 0), read(image, state, i, 1)) {
            (one, other) if one == other => one,
            _ => state.fresh_symbol(),
        },
        (false, None) => state.fresh_symbol(),
    };
    write(image, state, i, value);
}

/// Executes cmpxchg if both compared values are known. Returns whether it did.
pub(super) fn compare_exchange(image: &Image, state: &mut ExecState, i: &Instruction) -> bool {
    let width = size(i, 0);
    let (found, expected) = (read(image, state, i, 0), state.narrow(state.registers[0], width));
    if found.known().is_none() || expected.known().is_none() {
        return false;
    }
    state.compared_width = width;
    state.comparison = Comparison::Difference(expected, found);
    if found == expected {
        let value = read(image, state, i, 1);
        write(image, state, i, value);
    } else {
        let accumulator = if width == 8 || width == 4 { found } else { state.fresh_symbol() };
        state.registers[0] = accumulator;
    }
    true
}
