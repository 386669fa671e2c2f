//! Operands of x86-64 instructions: registers and their parts, memory addresses.

use super::STACK;
use crate::gil_analysis::state::ExecState;
use crate::gil_analysis::value::{Value, mask};
use crate::image::Image;
use iced_x86::{Instruction, OpKind, Register};

/// Pushes a word.
pub(crate) fn push(image: &Image, state: &mut ExecState, value: Value) {
    if let Value::Known(stack) = state.registers[STACK] {
        let stack = stack.wrapping_sub(8);
        state.registers[STACK] = Value::Known(stack);
        state.memory.store(image, stack, 8, value);
    }
}

pub(super) fn pop(image: &Image, state: &mut ExecState) -> Value {
    let stack = state.registers[STACK].known();
    let value = state.load(image, stack, 8);
    if let Some(stack) = stack {
        state.registers[STACK] = Value::Known(stack.wrapping_add(8));
    }
    value
}

pub(super) fn size(i: &Instruction, op: u32) -> u32 {
    match i.op_kind(op) {
        OpKind::Register => i.op_register(op).size() as u32,
        OpKind::Memory => i.memory_size().size() as u32,
        // An immediate is as wide as the other operand.
        _ => i.op0_register().size().max(1) as u32,
    }
}

/// Returns the address of a memory operand, if it is known.
pub(super) fn address(state: &ExecState, i: &Instruction) -> Option<u64> {
    if matches!(i.segment_prefix(), Register::FS | Register::GS) {
        return None;
    }
    let part = |register: Register| match register {
        // The decoder already made the displacement of these absolute.
        Register::None | Register::RIP | Register::EIP => Some(0),
        register => state.registers.get(register.full_register().number())?.known(),
    };
    let scaled = part(i.memory_index())?.wrapping_mul(u64::from(i.memory_index_scale()));
    Some(part(i.memory_base())?.wrapping_add(scaled).wrapping_add(i.memory_displacement64()))
}

/// Records the bases of a memory operand with an unknown index.
pub(super) fn mark_indexed(state: &mut ExecState, i: &Instruction) {
    for register in [i.memory_base(), i.memory_index()] {
        if let Value::Known(base) = read_register(state, register) {
            state.memory.mark_indexed(base.wrapping_add(i.memory_displacement64()));
        }
    }
}

pub(super) fn read(image: &Image, state: &mut ExecState, i: &Instruction, op: u32) -> Value {
    match i.op_kind(op) {
        OpKind::Register => read_register(state, i.op_register(op)),
        OpKind::Memory => {
            let at = address(state, i);
            state.load(image, at, size(i, op).clamp(1, 8))
        }
        _ => i.try_immediate(op).map_or_else(|_| state.fresh_symbol(), Value::Known),
    }
}

fn read_register(state: &mut ExecState, register: Register) -> Value {
    if register.is_vector_register() {
        return state.vectors[register.number() & 31][0];
    }
    if !register.is_gpr()
        || matches!(register, Register::AH | Register::BH | Register::CH | Register::DH)
    {
        return state.fresh_symbol();
    }
    state.narrow(state.registers[register.full_register().number() & 15], register.size() as u32)
}

pub(super) fn write(image: &Image, state: &mut ExecState, i: &Instruction, value: Value) {
    match i.op0_kind() {
        OpKind::Register => write_register(state, i.op0_register(), value),
        OpKind::Memory => {
            if let Some(at) = address(state, i) {
                state.memory.store(
                    image,
                    at,
                    size(i, 0).clamp(1, 8),
                    state.narrow(value, size(i, 0)),
                );
            } else {
                mark_indexed(state, i);
            }
        }
        _ => {}
    }
}

pub(super) fn write_register(state: &mut ExecState, register: Register, value: Value) {
    if register.is_vector_register() {
        state.vectors[register.number() & 31] =
            [value, Value::Known(0), Value::Known(0), Value::Known(0)];
        return;
    }
    if !register.is_gpr() {
        return;
    }
    let number = register.full_register().number() & 15;
    let size = register.size() as u32;
    let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
    state.registers[number] = match (state.registers[number], state.narrow(value, size)) {
        _ if high => state.fresh_symbol(),
        // The bits above a written byte are kept only if they are known.
        (Value::Known(before), Value::Known(now)) if size < 4 => {
            Value::Known(now | before & !mask(size))
        }
        (_, now) => now,
    };
}
