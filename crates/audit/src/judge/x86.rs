//! One x86-64 instruction at a time, as far as an init function needs it.
//!
//! Moves, addresses, simple arithmetic and comparisons are followed. Any other instruction makes what it writes unknown, by the
//! decoder's own tables, so that nothing known is ever out of date.

use crate::image::Image;
use crate::judge::machine::{Flow, Outline, Target};
use crate::judge::state::{Compared, Condition, State, Value, mask, signed};
use iced_x86::{
    ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register,
};

/// The stack pointer's number.
pub(crate) const STACK: usize = 4;

/// Carries out the instruction at `state.ip`. Leaves `ip` behind it.
pub(crate) fn step(image: &Image, state: &mut State) -> Flow {
    let Some(instruction) = decode(image, state.ip) else { return Flow::Lost };
    state.ip = instruction.next_ip();
    let i = &instruction;
    match i.mnemonic() {
        Mnemonic::Call => Flow::Call(target(image, state, i)),
        Mnemonic::Jmp => Flow::Jump(target(image, state, i)),
        Mnemonic::Ret => Flow::Return,
        Mnemonic::Ud2 | Mnemonic::Hlt | Mnemonic::Int3 => Flow::End,
        _ if i.is_jcc_short_or_near() => {
            Flow::Branch(condition(i.condition_code()), i.near_branch_target(), None)
        }
        _ => {
            effect(image, state, i);
            Flow::Next
        }
    }
}

/// The instruction at an address.
pub(crate) fn decode(image: &Image, address: u64) -> Option<Instruction> {
    let code = image.code(address)?;
    // No instruction is longer than 15 bytes.
    let code = code.get(..16).unwrap_or(code);
    let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn target(image: &Image, state: &mut State, i: &Instruction) -> Target {
    match i.op0_kind() {
        OpKind::NearBranch64 => Target::Address(i.near_branch_target()),
        _ => Target::of(read(image, state, i, 0)),
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

fn effect(image: &Image, state: &mut State, i: &Instruction) {
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
            let value = read(image, state, i, 0x1);
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
        Mnemonic::Lea => {
            let value = address(state, i).map_or_else(|| state.fresh(), Value::Known);
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
            state.width = size(i, 0);
            state.compared = Compared::Difference(read(image, state, i, 0), read(image, state, i, 1));
        }
        Mnemonic::Test => {
            state.width = size(i, 0);
            state.compared = Compared::Common(read(image, state, i, 0), read(image, state, i, 1));
        }
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
        _ if i.is_jcc_short_or_near() => {}
        mnemonic => {
            if let Some(choice) = chosen(mnemonic) {
                choose(image, state, i, choice);
            } else if !vector(image, state, i) {
                clobber(image, state, i);
            }
        }
    }
}

/// Whether an instruction moves or sets by a condition.
fn chosen(mnemonic: Mnemonic) -> Option<bool> {
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

fn choose(image: &Image, state: &mut State, i: &Instruction, moves: bool) {
    let holds = state.holds(condition(i.condition_code()));
    let value = match (moves, holds) {
        (false, Some(holds)) => Value::Known(u64::from(holds)),
        (true, Some(true)) => read(image, state, i, 1),
        (true, Some(false)) => read(image, state, i, 0),
        (true, None) => match (read(image, state, i, 0), read(image, state, i, 1)) {
            (one, other) if one == other => one,
            _ => state.fresh(),
        },
        (false, None) => state.fresh(),
    };
    write(image, state, i, value);
}

fn arithmetic(image: &Image, state: &mut State, i: &Instruction) {
    let width = size(i, 0);
    let one = read(image, state, i, 0);
    let other = if i.op_count() > 1 { read(image, state, i, 1) } else { Value::Known(1) };
    let same = i.op_count() > 1 && one == other;
    let value = match (i.mnemonic(), one, other) {
        (Mnemonic::Xor | Mnemonic::Sub, ..) if same => Value::Known(0),
        (Mnemonic::And | Mnemonic::Or, ..) if same => one,
        (Mnemonic::And, _, Value::Known(0)) => Value::Known(0),
        (Mnemonic::Or, _, Value::Known(all)) if all & mask(width) == mask(width) => Value::Known(mask(width)),
        (_, value, Value::Known(0)) if i.mnemonic() != Mnemonic::And => value,
        (mnemonic, Value::Known(one), Value::Known(other)) => Value::Known(
            mask(width)
                & match mnemonic {
                    Mnemonic::Xor => one ^ other,
                    Mnemonic::Or => one | other,
                    Mnemonic::And => one & other,
                    Mnemonic::Add | Mnemonic::Inc => one.wrapping_add(other),
                    Mnemonic::Sub | Mnemonic::Dec => one.wrapping_sub(other),
                    // The machine takes the count modulo the width.
                    Mnemonic::Shl => one << (other & if width == 8 { 63 } else { 31 }),
                    _ => one >> (other & if width == 8 { 63 } else { 31 }),
                },
        ),
        _ => state.fresh(),
    };
    state.width = width;
    state.compared = match i.mnemonic() {
        Mnemonic::Sub => Compared::Difference(one, other),
        Mnemonic::Shl | Mnemonic::Shr => Compared::Otherwise,
        _ => Compared::Common(value, value),
    };
    write(image, state, i, value);
}

/// Vector moves of whole lanes, which is how two words are stored at once.
fn vector(image: &Image, state: &mut State, i: &Instruction) -> bool {
    use Mnemonic as M;
    let lane = |state: &State, op: u32, lane: usize| match i.op_register(op) {
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

/// Makes everything that an instruction writes unknown.
fn clobber(image: &Image, state: &mut State, i: &Instruction) {
    let written = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(i);
    for used in info.used_registers().iter().filter(|used| written(used.access())) {
        let value = state.fresh();
        write_register(state, used.register(), value);
    }
    if info.used_memory().iter().any(|used| written(used.access()))
        && let Some(at) = address(state, i)
    {
        let value = state.fresh();
        state.memory.store(image, at, 8, value);
    }
    if i.rflags_modified() != 0 {
        state.compared = Compared::Otherwise;
    }
}

/// Puts a word on the stack.
pub(crate) fn push(image: &Image, state: &mut State, value: Value) {
    if let Value::Known(stack) = state.registers[STACK] {
        let stack = stack.wrapping_sub(8);
        state.registers[STACK] = Value::Known(stack);
        state.memory.store(image, stack, 8, value);
    }
}

fn pop(image: &Image, state: &mut State) -> Value {
    let stack = state.registers[STACK].known();
    let value = state.load(image, stack, 8);
    if let Some(stack) = stack {
        state.registers[STACK] = Value::Known(stack.wrapping_add(8));
    }
    value
}

fn size(i: &Instruction, op: u32) -> u32 {
    match i.op_kind(op) {
        OpKind::Register => i.op_register(op).size() as u32,
        OpKind::Memory => i.memory_size().size() as u32,
        // An immediate is as wide as what it meets.
        _ => i.op0_register().size().max(1) as u32,
    }
}

/// The address an instruction's memory operand names.
fn address(state: &State, i: &Instruction) -> Option<u64> {
    if matches!(i.segment_prefix(), Register::FS | Register::GS) {
        return None;
    }
    let part = |register: Register| match register {
        // The decoder has made an address of what is relative to the instruction.
        Register::None | Register::RIP | Register::EIP => Some(0),
        register => state.registers.get(register.full_register().number())?.known(),
    };
    let scaled = part(i.memory_index())?.wrapping_mul(u64::from(i.memory_index_scale()));
    Some(part(i.memory_base())?.wrapping_add(scaled).wrapping_add(i.memory_displacement64()))
}

fn read(image: &Image, state: &mut State, i: &Instruction, op: u32) -> Value {
    match i.op_kind(op) {
        OpKind::Register => read_register(state, i.op_register(op)),
        OpKind::Memory => {
            let at = address(state, i);
            state.load(image, at, size(i, op).clamp(1, 8))
        }
        _ => i.try_immediate(op).map_or_else(|_| state.fresh(), Value::Known),
    }
}

fn read_register(state: &mut State, register: Register) -> Value {
    if register.is_vector_register() {
        return state.vectors[register.number() & 31][0];
    }
    if !register.is_gpr() || matches!(register, Register::AH | Register::BH | Register::CH | Register::DH) {
        return state.fresh();
    }
    state.narrow(state.registers[register.full_register().number() & 15], register.size() as u32)
}

fn write(image: &Image, state: &mut State, i: &Instruction, value: Value) {
    match i.op0_kind() {
        OpKind::Register => write_register(state, i.op0_register(), value),
        OpKind::Memory => {
            if let Some(at) = address(state, i) {
                state.memory.store(image, at, size(i, 0).clamp(1, 8), state.narrow(value, size(i, 0)));
            }
        }
        _ => {}
    }
}

fn write_register(state: &mut State, register: Register, value: Value) {
    if register.is_vector_register() {
        state.vectors[register.number() & 31] = [value, Value::Known(0), Value::Known(0), Value::Known(0)];
        return;
    }
    if !register.is_gpr() {
        return;
    }
    let number = register.full_register().number() & 15;
    let size = register.size() as u32;
    let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
    state.registers[number] = match (state.registers[number], state.narrow(value, size)) {
        _ if high => state.fresh(),
        // What lies above a byte that is set is not asked for, unless it is known.
        (Value::Known(before), Value::Known(now)) if size < 4 => Value::Known(now | before & !mask(size)),
        (_, now) => now,
    };
}

/// Where the instruction at an address leads.
pub(crate) fn outline(image: &Image, address: u64) -> Option<Outline> {
    let instruction = decode(image, address)?;
    let i = &instruction;
    let mut outline = Outline { next: i.next_ip(), falls: true, jumps: None, calls: None, names: None };
    let direct = i.op0_kind() == OpKind::NearBranch64;
    let through = || match i.is_ip_rel_memory_operand().then(|| i.ip_rel_memory_address()) {
        Some(cell) => image.cells.get(&cell).and_then(|&index| u32::try_from(index).ok()).map(Target::Import),
        None => None,
    };
    match i.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => {
            let indirect = || through().unwrap_or(Target::Unknown);
            outline.calls = Some(if direct { Target::Address(i.near_branch_target()) } else { indirect() });
        }
        FlowControl::UnconditionalBranch => {
            outline.falls = false;
            outline.jumps = direct.then(|| i.near_branch_target());
        }
        FlowControl::IndirectBranch => {
            outline.falls = false;
            outline.calls = through();
        }
        FlowControl::ConditionalBranch => outline.jumps = Some(i.near_branch_target()),
        FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => outline.falls = false,
        _ => {
            if i.mnemonic() == Mnemonic::Lea && i.is_ip_rel_memory_operand() {
                outline.names = Some(i.ip_rel_memory_address());
            }
        }
    }
    Some(outline)
}
