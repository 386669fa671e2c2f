//! Vector moves, with which compilers store two words at once.

use super::operands::{address, size};
use crate::gil_analysis::state::ExecState;
use crate::gil_analysis::value::Value;
use crate::image::Image;
use iced_x86::{Instruction, Mnemonic, OpKind};

/// Executes a move of whole lanes, or zeroing. Returns whether the instruction is one of those.
pub(super) fn vector(image: &Image, state: &mut ExecState, i: &Instruction) -> bool {
    use Mnemonic as M;
    let lane = |state: &ExecState, op: u32, lane: usize| match i.op_register(op) {
        register if register.is_vector_register() => state.vectors[register.number() & 31][lane],
        _ => Value::Known(0),
    };
    match i.mnemonic() {
        M::Movups
        | M::Movaps
        | M::Movdqa
        | M::Movdqu
        | M::Movupd
        | M::Movapd
        | M::Vmovups
        | M::Vmovaps
        | M::Vmovdqa
        | M::Vmovdqu
        | M::Vmovupd
        | M::Vmovapd => {
            let lanes = (size(i, 0).max(size(i, 1)) / 8).clamp(1, 4) as usize;
            let values: [Value; 4] = std::array::from_fn(|n| {
                if n >= lanes {
                    Value::Known(0)
                } else if i.op1_kind() == OpKind::Memory {
                    let at = address(state, i).map(|at| at.wrapping_add(8 * n as u64));
                    state.load(image, at, 8)
                } else {
                    lane(state, 1, n)
                }
            });
            if i.op0_kind() == OpKind::Register {
                state.vectors[i.op0_register().number() & 31] = values;
            } else if let Some(at) = address(state, i) {
                for (n, value) in values.into_iter().enumerate().take(lanes) {
                    state.memory.store(image, at.wrapping_add(8 * n as u64), 8, value);
                }
            }
            true
        }
        M::Pxor | M::Xorps | M::Xorpd if i.op0_register() == i.op1_register() => {
            state.vectors[i.op0_register().number() & 31] = [Value::Known(0); 4];
            true
        }
        M::Vpxor | M::Vxorps | M::Vxorpd if i.op1_register() == i.op2_register() => {
            state.vectors[i.op0_register().number() & 31] = [Value::Known(0); 4];
            true
        }
        M::Punpcklqdq | M::Movlhps => {
            let low = lane(state, 1, 0);
            state.vectors[i.op0_register().number() & 31][1] = low;
            i.op1_kind() == OpKind::Register
        }
        M::Movhps | M::Movhpd => {
            let at = address(state, i);
            if i.op0_kind() == OpKind::Register {
                let value = state.load(image, at, 8);
                state.vectors[i.op0_register().number() & 31][1] = value;
            } else if let Some(at) = at {
                let value = lane(state, 1, 1);
                state.memory.store(image, at, 8, value);
            }
            true
        }
        _ => false,
    }
}
