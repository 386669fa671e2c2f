//! Reads a thread's stack of interpreter frames.
//!
//! Frames are walked from the innermost outwards while the thread keeps running. A walk is valid
//! only if the thread is at the same frame and instruction afterwards; otherwise it is repeated,
//! and after the last attempt the stack is reported as torn.

use crate::code::{Code, CodeCache};
use crate::memory::{Memory, ReadError, half, word};
use cpython_layout::DebugOffsets;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Maximum number of frames read per thread. CPython's own limit can be raised; a longer list is a
/// loop.
pub const MAX_FRAMES: usize = 1 << 16;
/// Number of bytes fetched around a frame at once: the frames of a thread are adjacent.
const READ_AHEAD_SIZE: u64 = 4096;

/// Owner of a frame's memory (`enum _frameowner`).
const OWNED_BY_GENERATOR: u8 = 1;
pub(crate) const OWNED_BY_INTERPRETER: u8 = 3;

/// An interpreter frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Address of the frame.
    pub address: u64,
    /// The code it runs.
    pub code: Arc<Code>,
    /// Current instruction, in code units.
    pub unit: u32,
    /// Line of that instruction, if it has one.
    pub line: Option<u32>,
    /// Evaluation stack: the address of its first slot, and the number of used slots if the frame
    /// has stored it. A frame that is executing Python code has not, or has an outdated number.
    pub stack: (u64, Option<u32>),
    /// Whether C code lies between this frame and the next outer one.
    pub from_c: bool,
}

/// A source line of the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct CodeLine {
    /// Qualified name of the function.
    pub function: String,
    /// File name, as in the target.
    pub file: String,
    /// Line number, if the instruction has one.
    pub line: Option<u32>,
}

impl fmt::Display for CodeLine {
    /// Formats as `move (app.py:12)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.rsplit('/').next().unwrap_or(&self.file);
        match self.line {
            Some(line) => write!(f, "{} ({file}:{line})", self.function),
            None => write!(f, "{} ({file})", self.function),
        }
    }
}

impl Frame {
    /// Returns the frame's source line.
    #[must_use]
    pub fn code_line(&self) -> CodeLine {
        CodeLine {
            function: self.code.qualname.clone(),
            file: self.code.file.clone(),
            line: self.line,
        }
    }

    /// Returns the address of local variable `index` (in the order of `co_localsplusnames`).
    #[must_use]
    pub fn local(&self, index: u32) -> u64 {
        self.stack.0.wrapping_sub(8 * u64::from(self.code.locals.saturating_sub(index)))
    }
}

/// A stack as read in one look.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// Frames, innermost first.
    pub frames: Vec<Frame>,
    /// The thread moved on in every attempt: these frames may never have been on the stack
    /// together.
    pub torn: bool,
    /// Number of frames omitted because their code could not be read.
    pub unreadable: u32,
    /// There are more than [`MAX_FRAMES`] frames; the outermost are omitted.
    pub cut: bool,
}

/// Tag bits of a reference on the evaluation stack (`Py_TAG_BITS` and, from 3.15 on, one more).
pub const TAGS: u64 = 7;

/// Walks frames of one process.
#[derive(Clone, Copy)]
pub struct FrameWalker<'a> {
    /// The target's memory.
    pub memory: &'a dyn Memory,
    /// Its offsets.
    pub offsets: &'a DebugOffsets,
    /// Cache of code objects.
    pub codes: &'a CodeCache,
    /// Number of the current look.
    pub look: u64,
}

impl FrameWalker<'_> {
    /// Reads the stack of the thread whose state is at `thread`.
    ///
    /// # Errors
    /// Only errors that concern the whole process, and a thread state that no longer exists.
    pub fn stack(&self, thread: u64) -> Result<Stack, ReadError> {
        let current = thread.saturating_add(self.offsets.thread_state.current_frame);
        let mut stack = Stack::default();
        for _attempt in 0..3 {
            let before = self.position(current)?;
            stack = self.walk(before.0)?;
            if self.position(current)? == before {
                return Ok(stack);
            }
        }
        stack.torn = true;
        Ok(stack)
    }

    /// Returns the innermost frame and its instruction pointer.
    fn position(&self, current: u64) -> Result<(u64, Option<u64>), ReadError> {
        let frame = self.memory.u64(current)?;
        let at = frame.saturating_add(self.offsets.interpreter_frame.instr_ptr);
        Ok((frame, self.memory.u64(at).ok()))
    }

    /// Reads the frames from `first` outwards.
    ///
    /// # Errors
    /// Only errors that concern the whole process. A frame that cannot be read ends the walk and
    /// marks the stack as torn.
    pub fn walk(&self, first: u64) -> Result<Stack, ReadError> {
        let at = &self.offsets.interpreter_frame;
        let mut window = ReadAhead::default();
        let mut stack = Stack::default();
        let mut next = first;
        // Loop detection (Brent's algorithm): a frame seen earlier, and the step at which it is
        // replaced by a later one.
        let (mut checkpoint, mut next_checkpoint) = (0, 1);
        for step in 0..MAX_FRAMES {
            if next == 0 {
                return Ok(stack);
            }
            if next == checkpoint {
                stack.torn = true;
                return Ok(stack);
            }
            if step == next_checkpoint {
                (checkpoint, next_checkpoint) = (next, next_checkpoint * 2);
            }
            let bytes = match window.get(self.memory, next, at.localsplus) {
                Ok(bytes) => bytes,
                Err(error) if error.is_local() => {
                    stack.torn = true;
                    return Ok(stack);
                }
                Err(error) => return Err(error),
            };
            let address = next;
            next = word(bytes, at.previous as usize);
            let owner = bytes.get(at.owner as usize).copied().unwrap_or(0);
            if owner >= OWNED_BY_INTERPRETER {
                // Trampoline between C and Python; not a frame of user code.
                if let Some(inner) = stack.frames.last_mut() {
                    inner.from_c = true;
                }
                continue;
            }
            match self.frame(address, bytes) {
                // Skip functions that are still creating their cells or their generator
                // (`_PyFrame_IsIncomplete`).
                Ok(frame)
                    if owner != OWNED_BY_GENERATOR && frame.unit < frame.code.first_traceable => {}
                Ok(frame) => {
                    // Charge the budget for what is kept of a frame, including its names: adjacent
                    // frames cost no extra reads.
                    let names = frame.code.qualname.len() + frame.code.file.len();
                    stack.frames.push(frame);
                    if !self.memory.spend(1 + names as u64 / 256) {
                        stack.torn = true;
                        return Ok(stack);
                    }
                }
                Err(error) if error.is_local() => stack.unreadable += 1,
                Err(error) => return Err(error),
            }
        }
        stack.cut = next != 0;
        Ok(stack)
    }

    /// Reads the frame at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] if there is no frame.
    pub fn read_one(&self, address: u64) -> Result<Frame, ReadError> {
        let bytes = self.memory.vec(address, self.offsets.interpreter_frame.localsplus, 256)?;
        self.frame(address, &bytes)
    }

    fn frame(&self, address: u64, bytes: &[u8]) -> Result<Frame, ReadError> {
        let at = &self.offsets.interpreter_frame;
        let executable = word(bytes, at.executable as usize) & !TAGS;
        let pointer = word(bytes, at.instr_ptr as usize);
        // 0 in builds with the GIL, which have no copies of bytecode.
        let copy =
            at.tlbc_index.filter(|&offset| offset != 0).map(|offset| half(bytes, offset as usize));
        let code = self.codes.get(self.memory, self.offsets, executable, self.look)?;
        let unit = CodeCache::unit(self.memory, self.offsets, &code, pointer, copy)
            .ok_or(ReadError::Unexpected(pointer))?;
        let base = address.saturating_add(at.localsplus).saturating_add(8 * u64::from(code.locals));
        let depth = match at.stackpointer {
            None => self.offsets.build.frame.stacktop.and_then(|offset| {
                let top = half(bytes, offset as usize).cast_signed();
                i64::from(top).checked_sub(i64::from(code.locals))
            }),
            Some(offset) => match word(bytes, offset as usize) {
                0 => None,
                top => i64::try_from(top.wrapping_sub(base) / 8).ok(),
            },
        };
        let depth = depth
            .and_then(|depth| u32::try_from(depth).ok())
            .filter(|&depth| depth <= code.stack_size);
        let line = code.line(unit);
        Ok(Frame { address, code, unit, line, stack: (base, depth), from_c: false })
    }
}

/// Read-ahead buffer: one system call for the many frames below the innermost.
#[derive(Default)]
pub(crate) struct ReadAhead {
    start: u64,
    bytes: Vec<u8>,
}

impl ReadAhead {
    pub(crate) fn get(
        &mut self,
        memory: &dyn Memory,
        address: u64,
        len: u64,
    ) -> Result<&[u8], ReadError> {
        let inside = |window: &ReadAhead| {
            let from = usize::try_from(address.checked_sub(window.start)?).ok()?;
            let to = from.checked_add(usize::try_from(len).ok()?)?;
            (to <= window.bytes.len()).then_some((from, to))
        };
        if inside(self).is_none() {
            let end = address.saturating_add(len);
            let start = end.saturating_sub(READ_AHEAD_SIZE.max(len));
            self.bytes.resize((end - start) as usize, 0);
            self.start = start;
            if memory.read(start, &mut self.bytes).is_err() {
                self.start = address;
                self.bytes.resize(usize::try_from(len).unwrap_or(0), 0);
                if let Err(error) = memory.read(address, &mut self.bytes) {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        let (from, to) = inside(self).ok_or(ReadError::Unmapped(address))?;
        Ok(&self.bytes[from..to])
    }
}
