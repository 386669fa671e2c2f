//! Differences between architectures and systems: instruction decoding and calling conventions.

use crate::gil_analysis::flow::{Flow, StaticFlow};
use crate::gil_analysis::memory::{STACK_BYTES, STACK_START};
use crate::gil_analysis::state::{CallFrame, ExecState};
use crate::gil_analysis::value::Value;
use crate::gil_analysis::{arm, x86};
use crate::image::{Arch, Format, Image};

/// A calling convention and an instruction decoder.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Registers of the first four arguments.
    pub(crate) arguments: [usize; 4],
    /// Register of the return value.
    pub(crate) result: usize,
    /// Register number of the stack pointer.
    pub(crate) stack: usize,
    /// Registers that a call may change.
    caller_saved: &'static [usize],
    /// Those that no calling convention within a binary uses for results.
    scratch: &'static [usize],
    arch: Arch,
}

impl Machine {
    pub(crate) fn of(image: &Image) -> Machine {
        let (arguments, result, stack, caller_saved, scratch): (_, _, _, &[usize], &[usize]) =
            match (image.arch, image.format) {
                // Windows preserves rsi and rdi (6, 7).
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

    /// Executes one instruction.
    pub(crate) fn step(&self, image: &Image, state: &mut ExecState) -> Flow {
        match self.arch {
            Arch::X86_64 => x86::step(image, state),
            Arch::Aarch64 => arm::step(image, state),
        }
    }

    /// Returns the control flow of the instruction at an address, decoded without a state.
    pub(crate) fn static_flow(&self, image: &Image, address: u64) -> Option<StaticFlow> {
        match self.arch {
            Arch::X86_64 => x86::static_flow(image, address),
            Arch::Aarch64 => arm::static_flow(image, address),
        }
    }

    /// Returns an argument of the call about to be made.
    pub(crate) fn argument(&self, state: &ExecState, index: usize) -> Value {
        self.arguments.get(index).map_or(Value::Symbol(0), |&register| {
            let value = state.registers.get(register).copied().unwrap_or(Value::Symbol(0));
            state.narrow(value, 8)
        })
    }

    /// Finishes a call that was not entered: registers it may change become unknown, and the result
    /// register gets `result`.
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

    /// Enters a function of the image: stores the return address.
    pub(crate) fn enter_call(&self, image: &Image, state: &mut ExecState, return_address: u64) {
        match self.arch {
            Arch::X86_64 => x86::push(image, state, Value::Known(return_address)),
            Arch::Aarch64 => arm::link(state, return_address),
        }
    }

    /// Discards what a finished callee left behind: its stack frame, and the scratch registers that
    /// it changed. Nothing reads those, and paths that differ only in them can be merged. Registers
    /// it did not change are kept, because a compiler that sees both functions relies on them.
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

    /// Returns from a function of the image: restores the stack pointer to the caller's. Returns
    /// whether the stack pointer had its value at entry.
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
