//! Native (C) stacks of the target's threads, and their merge with the Python frames.
//!
//! For a thread in a system call, the kernel exposes the stack pointer, so it can be unwound from
//! outside while it waits, without stopping anything. A running thread has to be stopped while
//! three registers are read, which is done only on request.

mod modules;

use crate::frames::Frame;
use crate::linux::registers::{self, UnwindRegisters};
use crate::memory::Memory;
use crate::process::{AttachError, Process};
use framehop::{
    CacheNative, FrameAddress, MayAllocateDuringUnwind, UnwindRegsNative, Unwinder as _,
    UnwinderNative,
};
use modules::Modules;
use std::path::PathBuf;
use thiserror::Error;

/// Maximum number of C frames per thread.
const MAX_FRAMES: usize = 4096;
/// Number of stack bytes fetched at once.
const READ_AHEAD_SIZE: usize = 4096;
/// Maximum size of a C function's frame in the search for a frame pointer.
const MAX_FRAME_SIZE: u64 = 1 << 16;
/// The interpreter loop. Each of its C frames runs Python frames.
const EVAL_LOOP: &str = "_PyEval_EvalFrameDefault";

/// Reason why a thread's C frames are unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NativeError {
    /// The thread is running and may not be stopped.
    #[error("the thread is running: its C frames can be read only while it is stopped")]
    Running,
    /// The thread ended, or the kernel refused.
    #[error("the thread's registers could not be read")]
    Unreadable,
}

/// Whether a running thread may be stopped to read its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopPolicy {
    /// Running threads are not stopped and have no C frames.
    Never,
    /// Running threads are stopped for some tens of microseconds.
    Briefly,
}

/// A C frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFrame {
    /// Instruction address, or return address.
    pub address: u64,
    /// Function name, if the file has a symbol.
    pub symbol: Option<String>,
    /// File that contains the code.
    pub file: Option<PathBuf>,
    /// Address of the instruction in the file's image.
    pub offset: u64,
}

/// An entry of a merged stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackRow {
    /// A C frame.
    Native(NativeFrame),
    /// Index of a Python frame.
    Python(usize),
}

/// Unwinds threads of one process.
pub struct Unwinder<'a> {
    process: &'a Process,
    tables: UnwindTables,
}

impl<'a> Unwinder<'a> {
    /// Creates an unwinder for the current mappings of a process.
    ///
    /// # Errors
    /// The process ended or may not be read.
    pub fn new(process: &'a Process) -> Result<Unwinder<'a>, AttachError> {
        Ok(Unwinder { process, tables: UnwindTables::new(process)? })
    }

    /// Returns the C frames of a thread, innermost first. The stack ends where unwind information
    /// is missing.
    ///
    /// # Errors
    /// See [`NativeError`].
    pub fn stack(
        &mut self,
        thread: u32,
        stop: StopPolicy,
    ) -> Result<Vec<NativeFrame>, NativeError> {
        self.tables.stack(self.process, thread, stop)
    }
}

/// Unwind information of one process, for callers that keep it separately from the process.
pub struct UnwindTables {
    modules: Modules,
    unwinder: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
}

impl UnwindTables {
    /// Loads it for the current mappings of a process.
    ///
    /// # Errors
    /// The process ended or may not be read.
    pub fn new(process: &Process) -> Result<UnwindTables, AttachError> {
        let modules = Modules::new(process.files(), process.regions()?);
        Ok(UnwindTables { modules, unwinder: UnwinderNative::new(), cache: CacheNative::new() })
    }

    /// As [`Unwinder::stack`]. `process` must be the one passed to [`UnwindTables::new`].
    ///
    /// # Errors
    /// See [`NativeError`].
    pub fn stack(
        &mut self,
        process: &Process,
        thread: u32,
        stop: StopPolicy,
    ) -> Result<Vec<NativeFrame>, NativeError> {
        let registers = process.registers(thread, stop)?;
        let addresses = self.unwind(process, registers);
        Ok(addresses.into_iter().map(|address| self.name(address)).collect())
    }

    fn unwind(&mut self, process: &Process, registers: UnwindRegisters) -> Vec<FrameAddress> {
        let mut stack = StackWords::new(process.memory());
        let mut here = registers.for_unwinding();
        let mut next = FrameAddress::from_instruction_pointer(registers.pc);
        let mut found = vec![next];
        // The kernel does not expose the frame pointer of a blocked thread; it is searched for when
        // needed.
        let mut may_guess = registers.fp == 0;
        while found.len() < MAX_FRAMES {
            if let Some(module) = self.modules.load(next.address_for_lookup()) {
                self.unwinder.add_module(module);
            }
            let before = here;
            let mut caller = self.step(next, &mut here, &mut stack);
            if caller.is_none() && may_guess {
                may_guess = false;
                let guess = stack.frame_pointer(before.sp(), |code| self.modules.is_code(code));
                here =
                    guess.map_or(before, |pointer| registers::with_frame_pointer(before, pointer));
                caller = self.step(next, &mut here, &mut stack);
            }
            let Some(caller) = caller else { break };
            next = caller;
            found.push(caller);
        }
        found
    }

    fn step(
        &mut self,
        frame: FrameAddress,
        registers: &mut UnwindRegsNative,
        stack: &mut StackWords<'_>,
    ) -> Option<FrameAddress> {
        let mut read = |address| stack.read(address);
        let caller = self.unwinder.unwind_frame(frame, registers, &mut self.cache, &mut read);
        caller.ok().flatten().and_then(FrameAddress::from_return_address)
    }

    fn name(&self, address: FrameAddress) -> NativeFrame {
        // Look up the call, not the instruction after it, which may belong to the next function.
        let call = address.address_for_lookup();
        let (file, offset, symbol) = self.modules.name(call);
        NativeFrame { address: address.address(), symbol, file, offset }
    }
}

/// Read-ahead buffer for a thread's stack.
struct StackWords<'a> {
    memory: &'a dyn Memory,
    start: u64,
    bytes: Vec<u8>,
}

impl StackWords<'_> {
    fn new(memory: &dyn Memory) -> StackWords<'_> {
        StackWords { memory, start: 0, bytes: Vec::new() }
    }

    fn read(&mut self, address: u64) -> Result<u64, ()> {
        let inside = |stack: &StackWords<'_>| {
            let from = usize::try_from(address.checked_sub(stack.start)?).ok()?;
            stack.bytes.get(from..from.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
        };
        if let Some(word) = inside(self) {
            return Ok(word);
        }
        let mut bytes = vec![0; READ_AHEAD_SIZE];
        if self.memory.read(address, &mut bytes).is_err() {
            return self.memory.u64(address).map_err(drop);
        }
        (self.start, self.bytes) = (address, bytes);
        inside(self).ok_or(())
    }

    /// Returns the lowest address above `sp` that looks like a saved frame pointer: it holds the
    /// address of another saved frame pointer further up, and each is followed by a code address,
    /// the return address (code compiled with frame pointers, as CPython is from 3.15 on).
    fn frame_pointer(&mut self, sp: u64, is_code: impl Fn(u64) -> bool) -> Option<u64> {
        let mut record = |at: u64| {
            let caller = self.read(at).ok()?;
            let code = self.read(at.checked_add(8)?).ok()?;
            (caller > at && caller - at < MAX_FRAME_SIZE && caller % 8 == 0 && is_code(code))
                .then_some(caller)
        };
        (0..MAX_FRAME_SIZE / 8)
            .filter_map(|word| sp.checked_add(word * 8))
            .find(|&at| record(at).and_then(&mut record).is_some())
    }
}

/// Inserts the Python frames where the interpreter loop runs them. Each C frame of the loop stands
/// for the Python frames up to the next one entered from C. Without symbols for the loop, the
/// Python frames follow the C frames.
#[must_use]
pub fn merge_stacks(native: Vec<NativeFrame>, python: &[Frame]) -> Vec<StackRow> {
    let mut rows = Vec::with_capacity(native.len() + python.len());
    let mut next = 0;
    for frame in native {
        let is_loop = frame.symbol.as_deref().is_some_and(|symbol| symbol.starts_with(EVAL_LOOP));
        if !is_loop {
            rows.push(StackRow::Native(frame));
            continue;
        }
        while let Some(inner) = python.get(next) {
            rows.push(StackRow::Python(next));
            next += 1;
            if inner.from_c {
                break;
            }
        }
    }
    rows.extend((next..python.len()).map(StackRow::Python));
    rows
}
