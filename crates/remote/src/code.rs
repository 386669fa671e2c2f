//! Code objects: what a frame runs, read once and kept.

use crate::lines::Lines;
use crate::memory::{Memory, ReadError, half, word};
use crate::unicode::text;
use cpython_layout::DebugOffsets;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A location table longer than this is not believed: a function of a million lines has less.
const LONGEST_TABLE: usize = 16 << 20;
/// Copies of a function's bytecode, one a thread, that are looked through.
const MOST_COPIES: u64 = 1 << 16;
/// Code objects kept before the store is emptied: programs that make code for ever do not make it
/// grow.
const MOST_CODES: usize = 1 << 17;

/// A code object of the target.
#[derive(Debug)]
pub struct Code {
    /// Where it is.
    pub address: u64,
    /// `co_qualname`.
    pub qualname: String,
    /// `co_filename`, as the target has it.
    pub file: String,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Locals, cells and free variables: slots before a frame's evaluation stack.
    pub locals: u32,
    /// Slots the evaluation stack has at most.
    pub stack_size: u32,
    /// The code unit from which on a frame of this code is complete; `sys._current_frames` leaves
    /// out one that is not.
    pub first_traceable: u32,
    lines: Lines,
    /// Where its own bytecode starts, and the pointers that tell whether the object at the address
    /// is still this one.
    bytecode: u64,
    identity: [u64; 4],
}

/// Bytes of one instruction.
const UNIT: u64 = 2;

impl Code {
    fn read(memory: &dyn Memory, offsets: &DebugOffsets, address: u64) -> Result<Code, ReadError> {
        let at = &offsets.code_object;
        let bytes = memory.vec(address, at.co_code_adaptive, 1024)?;
        let identity = identity(&bytes, offsets);
        let [name, file, linetable, first_line] = identity;
        let object = offsets.bytes_object;
        let len = memory.u64(linetable.saturating_add(object.ob_size))?;
        let table = memory.vec(linetable.saturating_add(object.ob_sval), len, LONGEST_TABLE)?;
        let first_line = u32::try_from(first_line).unwrap_or(0);
        Ok(Code {
            address,
            qualname: text(memory, offsets, name)?,
            file: text(memory, offsets, file)?,
            first_line,
            locals: half(&bytes, at.locals() as usize).min(1 << 20),
            stack_size: half(&bytes, at.stack_size() as usize).min(1 << 20),
            first_traceable: half(&bytes, at.first_traceable() as usize),
            lines: Lines::decode(&table, first_line),
            bytecode: address.saturating_add(at.co_code_adaptive),
            identity,
        })
    }

    /// The line of the instruction at `unit`.
    #[must_use]
    pub fn line(&self, unit: u32) -> Option<u32> {
        self.lines.at(unit)
    }

    /// Instructions it has, in code units.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.lines.units()
    }

    /// The code unit an instruction pointer stands for; `None` where it is in none of the copies of
    /// this code.
    fn unit(
        &self,
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        pointer: u64,
        copy: Option<u32>,
    ) -> Option<u32> {
        let start = match copy {
            None | Some(0) => self.bytecode,
            // `co_tlbc`: {size, entries...}; the first is the code's own, each other a thread's
            // copy made when it first ran.
            Some(copy) => {
                let table =
                    memory.u64(self.address + offsets.code_object.co_tlbc.unwrap_or(0)).ok()?;
                let size = memory.u64(table).ok()?;
                if u64::from(copy) >= size.min(MOST_COPIES) {
                    return None;
                }
                memory
                    .u64(table.saturating_add(8 + 8 * u64::from(copy)))
                    .ok()
                    .filter(|&start| start != 0)?
            }
        };
        let unit = u32::try_from(pointer.checked_sub(start)? / UNIT).ok()?;
        (unit < self.units()).then_some(unit)
    }
}

/// Name, file, location table and first line: what another code object at the same address would
/// have otherwise.
fn identity(bytes: &[u8], offsets: &DebugOffsets) -> [u64; 4] {
    let at = &offsets.code_object;
    [
        word(bytes, at.qualname as usize),
        word(bytes, at.filename as usize),
        word(bytes, at.linetable as usize),
        u64::from(half(bytes, at.firstlineno as usize)),
    ]
}

/// The code objects read so far.
#[derive(Debug, Default)]
pub struct Codes {
    known: Mutex<FxHashMap<u64, Known>>,
}

#[derive(Debug)]
struct Known {
    code: Arc<Code>,
    /// The look in which the object was last found to be this one.
    seen: u64,
}

impl Codes {
    /// The code object at `address`. It is read once; in a later `look` the few words that identify
    /// it are read again, for code objects are freed and their places used again.
    ///
    /// # Errors
    /// As [`Memory::read`]: there is no code object, or not any more.
    pub fn get(
        &self,
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        address: u64,
        look: u64,
    ) -> Result<Arc<Code>, ReadError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.get_mut(&address) {
            if entry.seen == look {
                return Ok(Arc::clone(&entry.code));
            }
            let bytes = memory.vec(address, offsets.code_object.co_code_adaptive, 1024)?;
            if identity(&bytes, offsets) == entry.code.identity {
                entry.seen = look;
                return Ok(Arc::clone(&entry.code));
            }
        }
        let code = Arc::new(Code::read(memory, offsets, address)?);
        if known.len() >= MOST_CODES {
            known.clear();
        }
        known.insert(address, Known { code: Arc::clone(&code), seen: look });
        Ok(code)
    }

    /// The code unit of an instruction pointer in `code`, through the thread-local copy `copy`
    /// where there is one.
    #[must_use]
    pub fn unit(
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        code: &Code,
        pointer: u64,
        copy: Option<u32>,
    ) -> Option<u32> {
        code.unit(memory, offsets, pointer, copy)
    }
}
