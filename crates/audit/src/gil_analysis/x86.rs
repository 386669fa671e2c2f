//! Symbolic execution of x86-64 instructions, as far as init functions need it.
//!
//! Moves, address computations, simple arithmetic and comparisons are modelled. For any other
//! instruction, everything that the decoder's tables list as written becomes unknown, so a known
//! value is never outdated.

use crate::gil_analysis::flow::{CallTarget, Flow};
use crate::gil_analysis::state::{Comparison, Condition, ExecState};
use crate::gil_analysis::value::{Value, mask, signed};
use crate::image::Image;
use iced_x86::{
    ConditionCode, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind,
};

mod conditional;
mod operands;
mod static_flow;
mod vectors;

use conditional::{compare_exchange, conditional_kind, execute_conditional};
pub(crate) use operands::push;
use operands::{address, mark_indexed, pop, read, size, write, write_register};
pub(crate) use static_flow::static_flow;
use vectors::vector;

/// Number of the stack pointer.
pub(crate) const STACK: usize = 4;

/// Executes the instruction at `state.ip` and advances `ip` past it.
pub(crate) fn step(image: &Image, state: &mut ExecState) -> Flow {
    let Some(instruction) = decode(image, state.ip) else { return Flow::Lost };
    state.ip = instruction.next_ip();
    let i = &instruction;
    match i.mnemonic() {
        Mnemonic::Call => Flow::Call(target(image, state, i)),
        Mnemonic::Jmp => Flow::Jump(target(image, state, i)),
        Mnemonic::Ret => Flow::Return,
        // `pause` is in spin loops. The path that does not have to wait is followed as well, so
        // this one can end.
        Mnemonic::Ud2 | Mnemonic::Hlt | Mnemonic::Int3 | Mnemonic::Pause => Flow::End,
        _ if i.is_jcc_short_or_near() => {
            Flow::Branch(condition(i.condition_code()), i.near_branch_target(), None)
        }
        _ => {
            effect(image, state, i);
            Flow::Next
        }
    }
}

/// Decodes the instruction at an address.
pub(crate) fn decode(image: &Image, address: u64) -> Option<Instruction> {
    let code = image.code(address)?;
    // No instruction is longer than 15 bytes.
    let code = code.get(..16).unwrap_or(code);
    let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn target(image: &Image, state: &mut ExecState, i: &Instruction) -> CallTarget {
    match i.op0_kind() {
        OpKind::NearBranch64 => CallTarget::Address(i.near_branch_target()),
        _ => CallTarget::of(read(image, state, i, 0)),
    }
}

fn condition(code: ConditionCode) -> Condition {
    match code {
        ConditionCode::e => Condition::Equal,
        ConditionCode::ne => Condition::NotEqual,
        ConditionCode::l => Condition::Less,
        ConditionCode::ge => Condition::GreaterOrEqual,
        ConditionCode::le => Condition::LessOrEqual,
        ConditionCode::g => Condition::Greater,
        ConditionCode::b => Condition::Below,
        ConditionCode::ae => Condition::AboveOrEqual,
        ConditionCode::be => Condition::BelowOrEqual,
        ConditionCode::a => Condition::Above,
        ConditionCode::s => Condition::Negative,
        ConditionCode::ns => Condition::NotNegative,
        _ => Condition::Other,
    }
}

fn effect(image: &Image, state: &mut ExecState, i: &Instruction) {
    match i.mnemonic() {
        Mnemonic::Nop | Mnemonic::Endbr64 => {}
        Mnemonic::Mov
        | Mnemonic::Movzx
        | Mnemonic::Movq
        | Mnemonic::Movd
        | Mnemonic::Vmovq
        | Mnemonic::Vmovd
            if i.op_count() == 2 =>
        {
            let value = read(image, state, i, 1);
            write(image, state, i, value);
        }
        Mnemonic::Movsx | Mnemonic::Movsxd => {
            let from = size(i, 1);
            let value = match read(image, state, i, 1) {
                Value::Known(number) => Value::Known(signed(number, from) as u64),
                other => other,
            };
            write(image, state, i, value);
        }
        Mnemonic::Cdqe => {
            state.registers[0] = match state.narrow(state.registers[0], 4) {
                Value::Known(number) => Value::Known(signed(number, 4) as u64),
                other => other,
            };
        }
        Mnemonic::Lea => {
            let value = match address(state, i) {
                Some(address) => Value::Known(address),
                None => {
                    mark_indexed(state, i);
                    state.fresh_symbol()
                }
            };
            write(image, state, i, value);
        }
        Mnemonic::Push => {
            let value = read(image, state, i, 0);
            push(image, state, value);
        }
        Mnemonic::Pop => {
            let value = pop(image, state);
            write(image, state, i, value);
        }
        Mnemonic::Leave => {
            state.registers[STACK] = state.registers[5];
            state.registers[5] = pop(image, state);
        }
        Mnemonic::Cmp => {
            state.compared_width = size(i, 0);
            state.comparison =
                Comparison::Difference(read(image, state, i, 0), read(image, state, i, 1));
        }
        Mnemonic::Test => {
            state.compared_width = size(i, 0);
            state.comparison =
                Comparison::BitTest(read(image, state, i, 0), read(image, state, i, 1));
        }
        Mnemonic::Cmpxchg if compare_exchange(image, state, i) => {}
        Mnemonic::Xchg if i.op0_kind() == OpKind::Register && i.op1_kind() == OpKind::Register => {
            let (one, other) = (read(image, state, i, 0), read(image, state, i, 1));
            write(image, state, i, other);
            write_register(state, i.op1_register(), one);
        }
        Mnemonic::Xor
        | Mnemonic::Or
        | Mnemonic::And
        | Mnemonic::Add
        | Mnemonic::Sub
        | Mnemonic::Shl
        | Mnemonic::Shr
        | Mnemonic::Inc
        | Mnemonic::Dec => arithmetic(image, state, i),
        Mnemonic::Movsq | Mnemonic::Stosq
            if i.has_rep_prefix() && rep_string(image, state, i.mnemonic()) => {}
        mnemonic => {
            if let Some(choice) = conditional_kind(mnemonic) {
                execute_conditional(image, state, i, choice);
            } else if !vector(image, state, i) {
                clobber(image, state, i);
            }
        }
    }
}

fn arithmetic(image: &Image, state: &mut ExecState, i: &Instruction) {
    let width = size(i, 0);
    let one = read(image, state, i, 0);
    let other = if i.op_count() > 1 { read(image, state, i, 1) } else { Value::Known(1) };
    let same = i.op_count() > 1 && one == other;
    let value = match (i.mnemonic(), one, other) {
        (Mnemonic::Xor | Mnemonic::Sub, ..) if same => Value::Known(0),
        (Mnemonic::And | Mnemonic::Or, ..) if same => one,
        (Mnemonic::And, _, Value::Known(0)) => Value::Known(0),
        (Mnemonic::Or, _, Value::Known(all)) if all & mask(width) == mask(width) => {
            Value::Known(mask(width))
        }
        (_, value, Value::Known(0)) if i.mnemonic() != Mnemonic::And => value,
        (mnemonic, Value::Known(one), Value::Known(other)) => Value::Known(
            mask(width)
                & match mnemonic {
                    Mnemonic::Xor => one ^ other,
                    Mnemonic::Or => one | other,
                    Mnemonic::And => one & other,
                    Mnemonic::Add | Mnemonic::Inc => one.wrapping_add(other),
                    Mnemonic::Sub | Mnemonic::Dec => one.wrapping_sub(other),
                    // The processor takes the count modulo the width.
                    Mnemonic::Shl => one << (other & if width == 8 { 63 } else { 31 }),
                    _ => one >> (other & if width == 8 { 63 } else { 31 }),
                },
        ),
        (_, Value::Known(base), _) | (_, _, Value::Known(base)) => {
            state.memory.mark_indexed(base);
            state.fresh_symbol()
        }
        _ => state.fresh_symbol(),
    };
    state.compared_width = width;
    state.comparison = match i.mnemonic() {
        Mnemonic::Sub => Comparison::Difference(one, other),
        Mnemonic::Shl | Mnemonic::Shr => Comparison::Unknown,
        _ => Comparison::BitTest(value, value),
    };
    write(image, state, i, value);
}

/// Executes `rep movsq` or `rep stosq`, which unoptimized code uses for structures, if the
/// arguments are known and the count is small. Returns whether it did.
fn rep_string(image: &Image, state: &mut ExecState, mnemonic: Mnemonic) -> bool {
    let [a, c, _, _, _, _, si, di, ..] = state.registers;
    let (Value::Known(count @ 0..=512), Value::Known(to)) = (c, di) else { return false };
    let mut at = 0;
    for _ in 0..count {
        let value = match (mnemonic, si) {
            (Mnemonic::Stosq, _) => a,
            (_, Value::Known(from)) => state.load(image, Some(from.wrapping_add(at)), 8),
            _ => state.fresh_symbol(),
        };
        state.memory.store(image, to.wrapping_add(at), 8, value);
        at += 8;
    }
    state.registers[1] = Value::Known(0);
    state.registers[7] = Value::Known(to.wrapping_add(at));
    if let (Mnemonic::Movsq, Value::Known(from)) = (mnemonic, si) {
        state.registers[6] = Value::Known(from.wrapping_add(at));
    }
    true
}

/// Makes everything that an instruction writes unknown.
fn clobber(image: &Image, state: &mut ExecState, i: &Instruction) {
    let written = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(i);
    for used in info.used_registers().iter().filter(|used| written(used.access())) {
        let value = state.fresh_symbol();
        write_register(state, used.register(), value);
    }
    if info.used_memory().iter().any(|used| written(used.access()))
        && let Some(at) = address(state, i)
    {
        let value = state.fresh_symbol();
        state.memory.store(image, at, 8, value);
    }
    if i.rflags_modified() != 0 {
        state.comparison = Comparison::Unknown;
    }
}
