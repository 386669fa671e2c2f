//! The running frame of this thread: its code, its instruction and the operands on its stack.
#![allow(unsafe_code)] // Reads frames by the interpreter's offsets.

use crate::python::{Object, python, type_of, word};
use crate::stack::Site;

/// Low bits of a stack reference that are tags.
const TAGS: usize = 7;
/// Tag of a reference that is a small integer, not a pointer (`Py_INT_TAG`).
const INTEGER: usize = 3;
/// Maximum number of frames; a longer chain is considered damaged.
const MAX_CHAIN: usize = 100_000;

/// A `_PyInterpreterFrame *` of this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame(Object);

impl Frame {
    /// Returns the innermost Python frame.
    pub(crate) fn current() -> Option<Frame> {
        let python = python();
        // SAFETY: the thread is attached, so that its state and its frames are its own.
        unsafe {
            let thread = (python.current)();
            if thread.is_null() {
                return None;
            }
            let at = python.offsets.thread_state.current_frame as usize;
            Frame(word(thread, at) as Object).python()
        }
    }

    /// Returns this frame, or the next outer one that runs Python code.
    fn python(self) -> Option<Frame> {
        let mut frame = self;
        for _ in 0..MAX_CHAIN {
            if frame.0.is_null() {
                return None;
            }
            if frame.code().is_some() {
                return Some(frame);
            }
            // SAFETY: a frame of this thread.
            let previous = unsafe { frame.field(python().offsets.interpreter_frame.previous) };
            frame = Frame(previous as Object);
        }
        None
    }

    /// Returns the frame that called this one.
    pub(crate) fn caller(self) -> Option<Frame> {
        // SAFETY: a frame of this thread.
        Frame(unsafe { self.field(python().offsets.interpreter_frame.previous) } as Object).python()
    }

    unsafe fn field(self, offset: u64) -> usize {
        // SAFETY: the caller's contract: the frame is alive, and the offset the interpreter's.
        unsafe { word(self.0, offset as usize) }
    }

    /// Returns the frame's identity, which another activation may have later.
    pub(crate) fn address(self) -> usize {
        self.0 as usize
    }

    /// Returns the frame's code object. The interpreter's own frames have none.
    #[inline]
    pub(crate) fn code(self) -> Option<Object> {
        // SAFETY: a frame of this thread; what it executes is alive.
        unsafe {
            let code = self.field(python().offsets.interpreter_frame.executable) & !TAGS;
            let code = code as Object;
            (!code.is_null() && type_of(code) == python().types.code).then_some(code)
        }
    }

    /// Returns the offset of the running instruction in bytes.
    pub(crate) fn offset(self) -> u32 {
        // SAFETY: a frame of this thread.
        unsafe { (python().lasti)(self.0) }.max(0) as u32
    }

    /// Returns the frame's code and the offset of its running instruction.
    pub(crate) fn site(self) -> Site {
        Site { code: self.code().map_or(0, |code| code as usize), offset: self.offset() }
    }

    /// Returns the address of the running instruction, in this thread's copy of the bytecode.
    pub(crate) fn instruction(self) -> *mut u8 {
        // SAFETY: a frame of this thread.
        unsafe { self.field(python().offsets.interpreter_frame.instr_ptr) as *mut u8 }
    }

    /// Returns the reference at `depth` from the top of the stack, 1 being the top.
    #[inline]
    fn raw(self, depth: usize) -> usize {
        let at = python().offsets.interpreter_frame.stackpointer.unwrap_or(0);
        // SAFETY: the interpreter has stored its stack pointer before it calls out, and the
        // instruction has at least that many operands.
        unsafe { word((self.field(at) as Object).sub(8 * depth), 0) }
    }

    /// Returns the object at `depth` from the top of the stack; `None` for NULL and tagged integers.
    #[inline]
    pub(crate) fn operand(self, depth: usize) -> Option<Object> {
        let reference = self.raw(depth);
        let object = (reference & !TAGS) as Object;
        (reference & INTEGER != INTEGER && !object.is_null()).then_some(object)
    }

    /// Returns the local, cell or free variable of that number.
    pub(crate) fn local(self, index: usize) -> Option<Object> {
        let at = python().offsets.interpreter_frame.localsplus as usize;
        // SAFETY: the compiler gave the instruction an index within the frame's variables.
        let object = unsafe { word(self.0, at + 8 * index) } & !TAGS;
        (object != 0).then_some(object as Object)
    }

    /// Returns the dict of globals.
    pub(crate) fn globals(self) -> Option<Object> {
        // SAFETY: a frame of this thread.
        let object = unsafe { self.field(cpython_layout::structures::FRAME_GLOBALS) } & !TAGS;
        (object != 0).then_some(object as Object)
    }
}
