//! A thread's stack of interpreter frames.
//!
//! Frames are walked from the innermost outwards while the thread runs on, so the walk is believed
//! only if the thread is at the same frame and instruction afterwards; otherwise it is tried again
//! and, in the end, called torn.

use crate::code::{Code, Codes};
use crate::memory::{Memory, ReadError, half, word};
use cpython_layout::DebugOffsets;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Frames of one thread that are walked. CPython's own limit can be raised; a list that is longer
/// than this is a loop.
pub const DEEPEST: usize = 1 << 16;
/// What is fetched around a frame at once, in bytes: frames of a thread lie next to each other.
const WINDOW: u64 = 4096;

/// Who a frame's memory belongs to (`enum _frameowner`).
const OWNED_BY_GENERATOR: u8 = 1;
pub(crate) const OWNED_BY_INTERPRETER: u8 = 3;

/// A frame as it was found.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Where it is.
    pub address: u64,
    /// What it runs.
    pub code: Arc<Code>,
    /// The instruction it is at, in code units.
    pub unit: u32,
    /// The line of that instruction, where it has one.
    pub line: Option<u32>,
    /// The evaluation stack: address of its first slot, and the slots in use where the frame has
    /// stored how many. A frame that runs Python code at the moment has not, or has an old number.
    pub stack: (u64, Option<u32>),
    /// The next frame outwards is entered through C code.
    pub from_c: bool,
}

/// A line of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct CodeLine {
    /// The function's qualified name.
    pub function: String,
    /// Its file, as the target has it.
    pub file: String,
    /// The line, where the instruction belongs to one.
    pub line: Option<u32>,
}

impl fmt::Display for CodeLine {
    /// `move (app.py:12)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.rsplit('/').next().unwrap_or(&self.file);
        match self.line {
            Some(line) => write!(f, "{} ({file}:{line})", self.function),
            None => write!(f, "{} ({file})", self.function),
        }
    }
}

impl Frame {
    /// Its line.
    #[must_use]
    pub fn code_line(&self) -> CodeLine {
        CodeLine {
            function: self.code.qualname.clone(),
            file: self.code.file.clone(),
            line: self.line,
        }
    }

    /// The address of local variable `index` (in the order of `co_localsplusnames`).
    #[must_use]
    pub fn local(&self, index: u32) -> u64 {
        self.stack.0.wrapping_sub(8 * u64::from(self.code.locals.saturating_sub(index)))
    }
}

/// A stack as one look found it.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// The thread moved on in every attempt: what is here may never have been so at one time.
    pub torn: bool,
    /// Frames whose code could not be read, which are left out.
    pub unreadable: u32,
    /// There are more frames than [`DEEPEST`]: the outermost are left out.
    pub cut: bool,
}

/// Bits of a reference on the evaluation stack that are no address (`Py_TAG_BITS` and, from 3.15
/// on, one more).
pub const TAGS: u64 = 7;

/// What every walk needs.
#[derive(Clone, Copy)]
pub struct Walker<'a> {
    /// The target's memory.
    pub memory: &'a dyn Memory,
    /// Its offsets.
    pub offsets: &'a DebugOffsets,
    /// The code objects known.
    pub codes: &'a Codes,
    /// The number of this look.
    pub look: u64,
}

impl Walker<'_> {
    /// The stack of the thread whose state is at `thread`.
    ///
    /// # Errors
    /// Only what concerns the process as a whole, and a thread state that is not there any more.
    pub fn stack(&self, thread: u64) -> Result<Stack, ReadError> {
        let current = thread.saturating_add(self.offsets.thread_state.current_frame);
        let mut stack = Stack::default();
        for _attempt in 0..3 {
            let before = self.place(current)?;
            stack = self.walk(before.0)?;
            if self.place(current)? == before {
                return Ok(stack);
            }
        }
        stack.torn = true;
        Ok(stack)
    }

    /// The innermost frame and its instruction.
    fn place(&self, current: u64) -> Result<(u64, Option<u64>), ReadError> {
        let frame = self.memory.u64(current)?;
        let at = frame.saturating_add(self.offsets.interpreter_frame.instr_ptr);
        Ok((frame, self.memory.u64(at).ok()))
    }

    /// The frames from `first` outwards.
    ///
    /// # Errors
    /// Only what concerns the process as a whole; a frame that cannot be read ends the walk and
    /// marks it torn.
    pub fn walk(&self, first: u64) -> Result<Stack, ReadError> {
        let at = &self.offsets.interpreter_frame;
        let mut window = Window::default();
        let mut stack = Stack::default();
        let mut next = first;
        // A frame met long before, and when it is changed for a later one: a list that comes back
        // to it is a loop (Brent).
        let (mut met, mut renew) = (0, 1);
        for step in 0..DEEPEST {
            if next == 0 {
                return Ok(stack);
            }
            if next == met {
                stack.torn = true;
                return Ok(stack);
            }
            if step == renew {
                (met, renew) = (next, renew * 2);
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
                // The trampoline between C and Python: no code of the user's.
                if let Some(inner) = stack.frames.last_mut() {
                    inner.from_c = true;
                }
                continue;
            }
            match self.frame(address, bytes) {
                // A function that is still making its cells or its generator
                // (`_PyFrame_IsIncomplete`).
                Ok(frame)
                    if owner != OWNED_BY_GENERATOR && frame.unit < frame.code.first_traceable => {}
                Ok(frame) => {
                    // What is kept of a frame is paid for, its names too: frames cost no reads
                    // while they lie side by side.
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

    /// The one frame at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] where no frame is.
    pub fn one(&self, address: u64) -> Result<Frame, ReadError> {
        let bytes = self.memory.vec(address, self.offsets.interpreter_frame.localsplus, 256)?;
        self.frame(address, &bytes)
    }

    fn frame(&self, address: u64, bytes: &[u8]) -> Result<Frame, ReadError> {
        let at = &self.offsets.interpreter_frame;
        let executable = word(bytes, at.executable as usize) & !TAGS;
        let pointer = word(bytes, at.instr_ptr as usize);
        // 0 on builds with the GIL, which have no copies of bytecode.
        let copy =
            at.tlbc_index.filter(|&offset| offset != 0).map(|offset| half(bytes, offset as usize));
        let code = self.codes.get(self.memory, self.offsets, executable, self.look)?;
        let unit = Codes::unit(self.memory, self.offsets, &code, pointer, copy)
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

/// Bytes fetched ahead: one system call for the many frames that lie below the innermost.
#[derive(Default)]
pub(crate) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(crate) fn get(
        &mut self,
        memory: &dyn Memory,
        address: u64,
        len: u64,
    ) -> Result<&[u8], ReadError> {
        let inside = |window: &Window| {
            let from = usize::try_from(address.checked_sub(window.start)?).ok()?;
            let to = from.checked_add(usize::try_from(len).ok()?)?;
            (to <= window.bytes.len()).then_some((from, to))
        };
        if inside(self).is_none() {
            let end = address.saturating_add(len);
            let start = end.saturating_sub(WINDOW.max(len));
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
