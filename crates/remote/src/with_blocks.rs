//! Which `with` statements a frame is inside, told from its code and the instruction it is at.
//!
//! A `with` keeps what it will call at its end on the frame's evaluation stack. Which slots of the
//! stack belong to a `with` that has been entered is written nowhere in the frame, and how many
//! slots are in use is not known of a frame that runs. But the compiler wrote it down in the code:
//! the exception table (CPython's `InternalDocs/exception_handling.md`) says for each instruction
//! where an exception goes and how deep the stack is there, and the handler of a `with` begins with
//! `PUSH_EXC_INFO, WITH_EXCEPT_START`. The table covers the statement's body only, neither the call
//! of `__enter__` nor the regular call of `__exit__`, so a `with` that is still acquiring its lock
//! is not taken for one that has it.

use crate::code::Code;
use crate::memory::{Memory, ReadError};
use cpython_layout::DebugOffsets;
use cpython_layout::structures::EXCEPTION_TABLE;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Longer tables and code are not believed.
const LONGEST: usize = 1 << 20;
/// Statements nested deeper are not (the compiler allows 20 blocks).
const DEEPEST: usize = 64;
/// Code objects kept before the store is emptied.
const MOST: usize = 1 << 16;

/// An entry of an exception table, in code units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    start: u32,
    end: u32,
    /// Where an exception goes.
    target: u32,
    /// How deep the stack is there before anything is pushed.
    depth: u32,
}

/// The `with` statements of one code object.
#[derive(Debug, Default)]
pub struct WithBlocks {
    entries: Vec<Entry>,
    /// Handlers of `with` statements.
    handlers: Vec<u32>,
}

impl WithBlocks {
    /// Decodes an exception table; `is_handler` says of a code unit whether the handler of a `with`
    /// is there.
    fn decode(table: &[u8], mut is_handler: impl FnMut(u32) -> bool) -> WithBlocks {
        let mut bytes = table.iter().copied();
        let mut entries = Vec::new();
        while let (Some(start), Some(length), Some(target), Some(depth)) =
            (number(&mut bytes), number(&mut bytes), number(&mut bytes), number(&mut bytes))
        {
            entries.push(Entry {
                start,
                end: start.saturating_add(length),
                target,
                depth: depth >> 1,
            });
        }
        let mut handlers: Vec<u32> = entries.iter().map(|entry| entry.target).collect();
        handlers.sort_unstable();
        handlers.dedup();
        handlers.retain(|&unit| is_handler(unit));
        if handlers.is_empty() { WithBlocks::default() } else { WithBlocks { entries, handlers } }
    }

    /// The depth of the stack at the handler of each `with` that the instruction at `unit` is
    /// inside, innermost first: what the statement keeps is right below.
    #[must_use]
    pub fn around(&self, unit: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut at = unit;
        // A handler is itself covered by the next one outwards.
        for _ in 0..4 * DEEPEST {
            let Some(entry) =
                self.entries.iter().find(|entry| (entry.start..entry.end).contains(&at))
            else {
                break;
            };
            if self.handlers.binary_search(&entry.target).is_ok() {
                found.push(entry.depth);
            }
            at = entry.target;
        }
        found.dedup();
        found.truncate(DEEPEST);
        found
    }

    /// Whether the code has no `with`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }
}

/// A number of six bits a byte, most significant first; bit 6 says that more follow, bit 7 begins
/// an entry.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut byte = bytes.next()?;
    let mut value = u32::from(byte & 63);
    while byte & 64 != 0 {
        byte = bytes.next()?;
        value = value.checked_mul(64)?.checked_add(u32::from(byte & 63))?;
    }
    Some(value)
}

/// The `with` statements of the code objects seen so far.
#[derive(Debug, Default)]
pub struct WithBlockCache {
    known: FxHashMap<u64, (Arc<Code>, Arc<WithBlocks>)>,
}

impl WithBlockCache {
    /// Those of `code`, read once.
    ///
    /// # Errors
    /// As [`Memory::read`]: the code object is gone.
    pub fn get(
        &mut self,
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        code: &Arc<Code>,
    ) -> Result<Arc<WithBlocks>, ReadError> {
        if let Some((known, withs)) = self.known.get(&code.address)
            && Arc::ptr_eq(known, code)
        {
            return Ok(Arc::clone(withs));
        }
        let withs = Arc::new(read(memory, offsets, code)?);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(code.address, (Arc::clone(code), Arc::clone(&withs)));
        Ok(withs)
    }
}

fn read(memory: &dyn Memory, offsets: &DebugOffsets, code: &Code) -> Result<WithBlocks, ReadError> {
    let table = memory.u64(code.address.saturating_add(offsets.pyobject.size + EXCEPTION_TABLE))?;
    let len = memory.u64(table.saturating_add(offsets.bytes_object.ob_size))?;
    if len == 0 {
        return Ok(WithBlocks::default());
    }
    let table = memory.vec(table.saturating_add(offsets.bytes_object.ob_sval), len, LONGEST)?;
    let start = code.address.saturating_add(offsets.code_object.co_code_adaptive);
    let bytecode = memory.vec(start, 2 * u64::from(code.units()), LONGEST)?;
    let opcodes = &offsets.build.opcodes;
    let opcode = |unit: u32| bytecode.get(2 * unit as usize).copied();
    Ok(WithBlocks::decode(&table, |unit| {
        // The first may be replaced by an instrumented one while the program is traced.
        opcode(unit.saturating_add(1)) == Some(opcodes.with_except_start)
            && opcode(unit).is_some_and(|first| {
                first == opcodes.push_exc_info || first >= opcodes.min_instrumented
            })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `with a: with b: body` as 3.15 compiles it, the numbers made small.
    fn nested() -> WithBlocks {
        let entries = [
            (10, 10, 60, 2),
            (20, 20, 50, 4),
            (40, 5, 60, 2),
            (50, 5, 56, 6),
            (56, 3, 60, 2),
            (60, 5, 66, 4),
        ];
        let table: Vec<u8> = entries
            .iter()
            .flat_map(|&(start, length, target, depth)| {
                [start | 128, length, target, depth << 1 | 1]
            })
            .collect();
        // 40 and above need two bytes only from 64 on; 66 does.
        let table: Vec<u8> = table
            .into_iter()
            .flat_map(|byte| if byte & 127 == 66 { vec![64 | 1, 2] } else { vec![byte] })
            .collect();
        WithBlocks::decode(&table, |unit| unit == 50 || unit == 60)
    }

    #[test]
    fn the_statements_around_an_instruction() {
        let withs = nested();
        assert_eq!(withs.around(9), [0; 0], "still acquiring");
        assert_eq!(withs.around(15), [2]);
        assert_eq!(withs.around(25), [4, 2]);
        assert_eq!(withs.around(42), [2], "the inner one has been left");
        assert_eq!(withs.around(45), [0; 0]);
    }

    proptest! {
        #[test]
        fn any_table_is_survived(table: Vec<u8>, unit: u32, odd: bool) {
            let _ = WithBlocks::decode(&table, |unit| (unit % 2 == 1) == odd).around(unit);
        }
    }
}
