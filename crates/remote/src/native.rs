//! C frames of the target's threads, and how Python's frames lie between them.
//!
//! A thread in a system call has told the kernel where its stack is, so its C frames are unwound
//! from outside while it waits, and nothing is stopped. A thread that runs has to be stopped for as
//! long as it takes to read three registers, which is done only when the caller asks for it.

mod modules;

use crate::frames::Frame;
use crate::linux::registers::{self, Registers};
use crate::memory::Memory;
use crate::process::{AttachError, Process};
use framehop::{
    CacheNative, FrameAddress, MayAllocateDuringUnwind, UnwindRegsNative, Unwinder as _,
    UnwinderNative,
};
use modules::Modules;
use std::path::PathBuf;
use thiserror::Error;

/// C frames of one thread that are unwound.
const DEEPEST: usize = 4096;
/// What is fetched of a stack at once, in bytes.
const WINDOW: usize = 4096;
/// A C function with more than this on the stack is not looked past for a frame pointer.
const LARGEST_FRAME: u64 = 1 << 16;
/// The interpreter's loop: each of its frames runs Python frames.
const LOOP: &str = "_PyEval_EvalFrameDefault";

/// Why a thread's C frames cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NativeError {
    /// It runs, and may not be stopped.
    #[error("the thread runs; its C frames can be read only if it may be stopped for a moment")]
    Running,
    /// It ended, or the kernel refused.
    #[error("the thread's registers could not be read")]
    Unreadable,
}

/// Whether a thread may be stopped to read where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Threads that run have no C frames then.
    Never,
    /// Those that run, for some tens of microseconds.
    Briefly,
}

/// A C frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFrame {
    /// The instruction, or the one that is returned to.
    pub address: u64,
    /// The function, where the file has a symbol for it.
    pub symbol: Option<String>,
    /// The file its code is from.
    pub file: Option<PathBuf>,
    /// Where in the file's image the instruction is.
    pub offset: u64,
}

/// A row of a stack of both kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A C frame.
    Native(NativeFrame),
    /// The Python frame with this index.
    Python(usize),
}

/// Unwinds threads of one process.
pub struct Unwinder<'a> {
    process: &'a Process,
    tables: Tables,
}

impl<'a> Unwinder<'a> {
    /// An unwinder for a process as it is mapped now.
    ///
    /// # Errors
    /// The process ended or may not be read.
    pub fn new(process: &'a Process) -> Result<Unwinder<'a>, AttachError> {
        Ok(Unwinder { process, tables: Tables::new(process)? })
    }

    /// The C frames of a thread, innermost first. Where the tables for unwinding end, so do the
    /// frames.
    ///
    /// # Errors
    /// See [`NativeError`].
    pub fn stack(&mut self, thread: u32, stop: Stop) -> Result<Vec<NativeFrame>, NativeError> {
        self.tables.stack(self.process, thread, stop)
    }
}

/// What unwinding one process takes, for who keeps it from look to look beside the process.
pub struct Tables {
    modules: Modules,
    unwinder: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
}

impl Tables {
    /// For a process as it is mapped now.
    ///
    /// # Errors
    /// The process ended or may not be read.
    pub fn new(process: &Process) -> Result<Tables, AttachError> {
        let modules = Modules::new(process.files(), process.regions()?);
        Ok(Tables { modules, unwinder: UnwinderNative::new(), cache: CacheNative::new() })
    }

    /// As [`Unwinder::stack`]; `process` must be the one that this was made for.
    ///
    /// # Errors
    /// See [`NativeError`].
    pub fn stack(
        &mut self,
        process: &Process,
        thread: u32,
        stop: Stop,
    ) -> Result<Vec<NativeFrame>, NativeError> {
        let registers = process.registers(thread, stop)?;
        let addresses = self.unwind(process, registers);
        Ok(addresses.into_iter().map(|address| self.name(address)).collect())
    }

    fn unwind(&mut self, process: &Process, registers: Registers) -> Vec<FrameAddress> {
        let mut stack = StackWords::new(process.memory());
        let mut here = registers.for_unwinding();
        let mut next = FrameAddress::from_instruction_pointer(registers.pc);
        let mut found = vec![next];
        // What a blocked thread's frame pointer is, the kernel does not say; it is looked for once
        // it is needed.
        let mut may_guess = registers.fp == 0;
        while found.len() < DEEPEST {
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
        // The call, not the instruction after it, which may be the next function's first.
        let call = address.address_for_lookup();
        let (file, offset, symbol) = self.modules.name(call);
        NativeFrame { address: address.address(), symbol, file, offset }
    }
}

/// Words of a thread's stack, fetched many at once.
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
        let mut bytes = vec![0; WINDOW];
        if self.memory.read(address, &mut bytes).is_err() {
            return self.memory.u64(address).map_err(drop);
        }
        (self.start, self.bytes) = (address, bytes);
        inside(self).ok_or(())
    }

    /// The nearest place above `sp` that is a frame pointer: it holds the address of another such
    /// place further up, and each has an address of code after it, which is where its function
    /// returns to (as compiled with frame pointers, which CPython is from 3.15 on).
    fn frame_pointer(&mut self, sp: u64, is_code: impl Fn(u64) -> bool) -> Option<u64> {
        let mut record = |at: u64| {
            let caller = self.read(at).ok()?;
            let code = self.read(at.checked_add(8)?).ok()?;
            (caller > at && caller - at < LARGEST_FRAME && caller % 8 == 0 && is_code(code))
                .then_some(caller)
        };
        (0..LARGEST_FRAME / 8)
            .filter_map(|word| sp.checked_add(word * 8))
            .find(|&at| record(at).and_then(&mut record).is_some())
    }
}

/// Puts the Python frames where the interpreter's loop runs them: each of the loop's C frames
/// stands for the Python frames up to the next that was entered from C. Without symbols for the
/// loop, the Python frames follow the C frames.
#[must_use]
pub fn weave(native: Vec<NativeFrame>, python: &[Frame]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(native.len() + python.len());
    let mut next = 0;
    for frame in native {
        let is_loop = frame.symbol.as_deref().is_some_and(|symbol| symbol.starts_with(LOOP));
        if !is_loop {
            rows.push(Row::Native(frame));
            continue;
        }
        while let Some(inner) = python.get(next) {
            rows.push(Row::Python(next));
            next += 1;
            if inner.from_c {
                break;
            }
        }
    }
    rows.extend((next..python.len()).map(Row::Python));
    rows
}
