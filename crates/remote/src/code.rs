//! Code objects, read once and cached.

use crate::lines::LineTable;
use crate::memory::{Memory, ReadError, half, word};
use crate::unicode::read_str;
use cpython_layout::DebugOffsets;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Location tables longer than this are rejected. A function of a million lines has a shorter one.
const MAX_TABLE_SIZE: usize = 16 << 20;
/// Upper bound for the per-thread copies of a function's bytecode.
const MAX_COPIES: u64 = 1 << 16;
/// Number of cached code objects at which the cache is cleared, so that programs that keep creating
/// code do not grow it without bound.
const MAX_CACHED_CODES: usize = 1 << 17;

/// A code object of the target.
#[derive(Debug)]
pub struct Code {
    /// Address of the code object.
    pub address: u64,
    /// `co_qualname`.
    pub qualname: String,
    /// `co_filename`, as in the target.
    pub file: String,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Number of locals, cells and free variables: slots before a frame's evaluation stack.
    pub locals: u32,
    /// Maximum number of evaluation stack slots.
    pub stack_size: u32,
    /// Code unit from which a frame of this code is complete. `sys._current_frames` omits
    /// incomplete frames.
    pub first_traceable: u32,
    lines: LineTable,
    /// Address of the code's own bytecode.
    bytecode: u64,
    /// Pointers that identify the object at `address`; see [`identity`].
    identity: [u64; 4],
}

/// Size of a code unit in bytes.
const CODE_UNIT_SIZE: u64 = 2;

impl Code {
    fn read(memory: &dyn Memory, offsets: &DebugOffsets, address: u64) -> Result<Code, ReadError> {
        let at = &offsets.code_object;
        let bytes = memory.vec(address, at.co_code_adaptive, 1024)?;
        let identity = identity(&bytes, offsets);
        let [name, file, linetable, first_line] = identity;
        let object = offsets.bytes_object;
        let len = memory.u64(linetable.saturating_add(object.ob_size))?;
        let table = memory.vec(linetable.saturating_add(object.ob_sval), len, MAX_TABLE_SIZE)?;
        let first_line = u32::try_from(first_line).unwrap_or(0);
        Ok(Code {
            address,
            qualname: read_str(memory, offsets, name)?,
            file: read_str(memory, offsets, file)?,
            first_line,
            locals: half(&bytes, at.locals() as usize).min(1 << 20),
            stack_size: half(&bytes, at.stack_size() as usize).min(1 << 20),
            first_traceable: half(&bytes, at.first_traceable() as usize),
            lines: LineTable::decode(&table, first_line),
            bytecode: address.saturating_add(at.co_code_adaptive),
            identity,
        })
    }

    /// Returns the line of the instruction at code unit `unit`.
    #[must_use]
    pub fn line(&self, unit: u32) -> Option<u32> {
        self.lines.at(unit)
    }

    /// Returns the length of the bytecode in code units.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.lines.units()
    }

    /// Converts an instruction pointer to a code unit. Returns `None` if it points into none of the
    /// copies of this code.
    fn unit(
        &self,
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        pointer: u64,
        copy: Option<u32>,
    ) -> Option<u32> {
        let start = match copy {
            None | Some(0) => self.bytecode,
            // `co_tlbc`: {size, entries...}. Entry 0 is the code's own bytecode, each other entry a
            // copy created when a thread first ran the code.
            Some(copy) => {
                let table =
                    memory.u64(self.address + offsets.code_object.co_tlbc.unwrap_or(0)).ok()?;
                let size = memory.u64(table).ok()?;
                if u64::from(copy) >= size.min(MAX_COPIES) {
                    return None;
                }
                memory
                    .u64(table.saturating_add(8 + 8 * u64::from(copy)))
                    .ok()
                    .filter(|&start| start != 0)?
            }
        };
        let unit = u32::try_from(pointer.checked_sub(start)? / CODE_UNIT_SIZE).ok()?;
        (unit < self.units()).then_some(unit)
    }
}

/// Returns name, file, location table and first line. They differ if another code object was
/// allocated at the same address.
fn identity(bytes: &[u8], offsets: &DebugOffsets) -> [u64; 4] {
    let at = &offsets.code_object;
    [
        word(bytes, at.qualname as usize),
        word(bytes, at.filename as usize),
        word(bytes, at.linetable as usize),
        u64::from(half(bytes, at.firstlineno as usize)),
    ]
}

/// Cache of code objects.
#[derive(Debug, Default)]
pub struct CodeCache {
    known: Mutex<FxHashMap<u64, CachedCode>>,
}

#[derive(Debug)]
struct CachedCode {
    code: Arc<Code>,
    /// Number of the look that last verified the identity.
    seen: u64,
}

impl CodeCache {
    /// Returns the code object at `address`. It is read once. In a later `look` its identity is
    /// checked again, because code objects are freed and their memory reused.
    ///
    /// # Errors
    /// As [`Memory::read`]: there is no code object at the address, or no longer.
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
        if known.len() >= MAX_CACHED_CODES {
            known.clear();
        }
        known.insert(address, CachedCode { code: Arc::clone(&code), seen: look });
        Ok(code)
    }

    /// Converts an instruction pointer in `code` to a code unit. `copy` is the index of the
    /// thread-local bytecode, if any.
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
