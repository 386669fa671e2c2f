//! What differs between machines and systems: how an instruction is read, and where arguments go.

use crate::gil_analysis::flow::{Flow, StaticFlow};
use crate::gil_analysis::memory::{STACK_BYTES, STACK_START};
use crate::gil_analysis::state::{CallFrame, ExecState};
use crate::gil_analysis::value::Value;
use crate::gil_analysis::{arm, x86};
use crate::image::{Arch, Format, Image};

/// A calling convention, and the reader of its instructions.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The registers of the first four arguments.
    pub(crate) arguments: [usize; 4],
    /// The register of a result.
    pub(crate) result: usize,
    /// The stack pointer.
    pub(crate) stack: usize,
    /// The registers a call may change.
    caller_saved: &'static [usize],
    /// Those of them in which nothing is given back, by any convention within a binary.
    scratch: &'static [usize],
    arch: Arch,
}

impl Machine {
    pub(crate) fn of(image: &Image) -> Machine {
        let (arguments, result, stack, caller_saved, scratch): (_, _, _, &[usize], &[usize]) =
            match (image.arch, image.format) {
                // Windows keeps rsi and rdi (6, 7).
                (Arch::X86_64, Format::Pe) => {
                    ([1, 2, 8, 9], 0, x86::STACK, &[0, 1, 2, 8, 9, 10, 11], &[8, 9, 10, 11])
                }
                (Arch::X86_64, _) => (
                    [7, 6, 2, 1],
                    0,
                    x86::STACK,
                    &[0, 1, 2, 6, 7, 8, 9, 10, 11],
                    &[6, 7, 8, 9, 10, 11],
                ),
                (Arch::Aarch64, _) => (
                    [0, 1, 2, 3],
                    0,
                    arm::STACK,
                    &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30],
                    &[9, 10, 11, 12, 13, 14, 15, 16, 17],
                ),
            };
        Machine { arguments, result, stack, caller_saved, scratch, arch: image.arch }
    }

    /// Carries out one instruction.
    pub(crate) fn step(&self, image: &Image, state: &mut ExecState) -> Flow {
        match self.arch {
            Arch::X86_64 => x86::step(image, state),
            Arch::Aarch64 => arm::step(image, state),
        }
    }

    /// What follows the instruction at an address, without a state to carry it out in: the address
    /// behind it, where it reaches_gil_call, and the address in code or data that it names.
    pub(crate) fn static_flow(&self, image: &Image, address: u64) -> Option<StaticFlow> {
        match self.arch {
            Arch::X86_64 => x86::static_flow(image, address),
            Arch::Aarch64 => arm::static_flow(image, address),
        }
    }

    /// An argument of the call about to be made.
    pub(crate) fn argument(&self, state: &ExecState, index: usize) -> Value {
        self.arguments.get(index).map_or(Value::Symbol(0), |&register| {
            let value = state.registers.get(register).copied().unwrap_or(Value::Symbol(0));
            state.narrow(value, 8)
        })
    }

    /// Leaves a call behind: what it may change is unknown, and this is what it gave back.
    pub(crate) fn finish_call(&self, state: &mut ExecState, result: Value) {
        for &register in self.caller_saved {
            let value = state.fresh_symbol();
            if let Some(slot) = state.registers.get_mut(register) {
                *slot = value;
            }
        }
        for vector in 0..state.vectors.len() {
            let value = state.fresh_symbol();
            if let Some(lanes) = state.vectors.get_mut(vector) {
                *lanes = [value; 4];
            }
        }
        if let Some(slot) = state.registers.get_mut(self.result) {
            *slot = result;
        }
    }

    /// Enters a function of the image: the return address goes where the machine has it.
    pub(crate) fn enter_call(&self, image: &Image, state: &mut ExecState, back: u64) {
        match self.arch {
            Arch::X86_64 => x86::push(image, state, Value::Known(back)),
            Arch::Aarch64 => arm::link(state, back),
        }
    }

    /// Clears away what a function of the image has left that was followed to its end: its part of
    /// the stack, and the registers it used. Nobody reads those, and ways that differ in nothing
    /// else are one. What it has not touched stays: a compiler that sees both functions counts on
    /// it.
    pub(crate) fn discard_callee(&self, state: &mut ExecState, frame: &CallFrame) {
        let Some(Value::Known(stack)) = state.registers.get(self.stack).copied() else { return };
        state.memory.forget(STACK_START - STACK_BYTES, stack);
        for &register in self.scratch {
            if state.registers.get(register) != frame.registers.get(register) {
                let value = state.fresh_symbol();
                if let Some(slot) = state.registers.get_mut(register) {
                    *slot = value;
                }
            }
        }
    }

    /// Leaves a function of the image: the stack pointer comes back to where the caller has it.
    /// Whether it stood where it had to.
    pub(crate) fn return_from(&self, state: &mut ExecState, entry: u64) -> bool {
        let Some(stack) = state.registers.get_mut(self.stack) else { return false };
        if *stack != Value::Known(entry) {
            return false;
        }
        if self.arch == Arch::X86_64 {
            *stack = Value::Known(entry.wrapping_add(8));
        }
        true
    }
}
