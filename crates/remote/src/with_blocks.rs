//! Determines which `with` statements a frame is inside, from its code and current instruction.
//!
//! A `with` statement keeps the function to call at its end on the frame's evaluation stack. The
//! frame does not record which slots belong to entered `with` statements, and the stack depth of a
//! running frame is unknown. But the code has an exception table (CPython's
//! `InternalDocs/exception_handling.md`), which gives the handler and the stack depth for each
//! instruction, and the handler of a `with` statement begins with `PUSH_EXC_INFO,
//! WITH_EXCEPT_START`. The table covers only the body of the statement, neither the call of
//! `__enter__` nor the regular call of `__exit__`, so a `with` statement that is still acquiring
//! its lock does not count as holding it.

use crate::code::Code;
use crate::memory::{Memory, ReadError};
use cpython_layout::DebugOffsets;
use cpython_layout::structures::EXCEPTION_TABLE;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Maximum size of tables and bytecode in bytes.
const MAX_SIZE: usize = 1 << 20;
/// Maximum nesting depth (the compiler allows 20 blocks).
const MAX_DEPTH: usize = 64;
/// Number of cached code objects at which the cache is cleared.
const MAX_CACHED_CODES: usize = 1 << 16;

/// An entry of an exception table. Positions are in code units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ExceptionTableEntry {
    start: u32,
    end: u32,
    /// Start of the handler.
    target: u32,
    /// Stack depth at the handler, before anything is pushed.
    depth: u32,
}

/// The `with` statements of one code object.
#[derive(Debug, Default)]
pub struct WithBlocks {
    entries: Vec<ExceptionTableEntry>,
    /// Start positions of the handlers of `with` statements.
    handlers: Vec<u32>,
}

impl WithBlocks {
    /// Decodes an exception table. `is_handler` returns whether a code unit starts the handler of a
    /// `with` statement.
    fn decode(table: &[u8], mut is_handler: impl FnMut(u32) -> bool) -> WithBlocks {
        let mut bytes = table.iter().copied();
        let mut entries = Vec::new();
        while let (Some(start), Some(length), Some(target), Some(depth)) =
            (number(&mut bytes), number(&mut bytes), number(&mut bytes), number(&mut bytes))
        {
            entries.push(ExceptionTableEntry {
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

    /// Returns the stack depths at the handlers of the `with` statements around the instruction at
    /// `unit`, innermost first. The values kept by a statement are right below that depth.
    #[must_use]
    pub fn around(&self, unit: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut at = unit;
        // A handler itself is covered by the next outer one.
        for _ in 0..4 * MAX_DEPTH {
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
        found.truncate(MAX_DEPTH);
        found
    }

    /// Returns whether the code has no `with` statements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }
}

/// Decodes a varint of six bits per byte, most significant first. Bit 6 means that more bytes
/// follow; bit 7 marks the start of an entry.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut byte = bytes.next()?;
    let mut value = u32::from(byte & 63);
    while byte & 64 != 0 {
        byte = bytes.next()?;
        value = value.checked_mul(64)?.checked_add(u32::from(byte & 63))?;
    }
    Some(value)
}

/// Cache of `with` statements by code object.
#[derive(Debug, Default)]
pub struct WithBlockCache {
    known: FxHashMap<u64, (Arc<Code>, Arc<WithBlocks>)>,
}

impl WithBlockCache {
    /// Returns the `with` statements of `code`, decoding them only once.
    ///
    /// # Errors
    /// As [`Memory::read`]: the code object no longer exists.
    pub fn get(
        &mut self,
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        code: &Arc<Code>,
    ) -> Result<Arc<WithBlocks>, ReadError> {
        if let Some((known, with_blocks)) = self.known.get(&code.address)
            && Arc::ptr_eq(known, code)
        {
            return Ok(Arc::clone(with_blocks));
        }
        let with_blocks = Arc::new(read(memory, offsets, code)?);
        if self.known.len() >= MAX_CACHED_CODES {
            self.known.clear();
        }
        self.known.insert(code.address, (Arc::clone(code), Arc::clone(&with_blocks)));
        Ok(with_blocks)
    }
}

fn read(memory: &dyn Memory, offsets: &DebugOffsets, code: &Code) -> Result<WithBlocks, ReadError> {
    let table = memory.u64(code.address.saturating_add(offsets.pyobject.size + EXCEPTION_TABLE))?;
    let len = memory.u64(table.saturating_add(offsets.bytes_object.ob_size))?;
    if len == 0 {
        return Ok(WithBlocks::default());
    }
    let table = memory.vec(table.saturating_add(offsets.bytes_object.ob_sval), len, MAX_SIZE)?;
    let start = code.address.saturating_add(offsets.code_object.co_code_adaptive);
    let bytecode = memory.vec(start, 2 * u64::from(code.units()), MAX_SIZE)?;
    let opcodes = &offsets.build.opcodes;
    let opcode = |unit: u32| bytecode.get(2 * unit as usize).copied();
    Ok(WithBlocks::decode(&table, |unit| {
        // The first instruction may be replaced by an instrumented one while the program is traced.
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

    /// `with a: with b: body` as compiled by 3.15, with smaller numbers.
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
        // Values from 64 on need two bytes; only 66 does.
        let table: Vec<u8> = table
            .into_iter()
            .flat_map(|byte| if byte & 127 == 66 { vec![64 | 1, 2] } else { vec![byte] })
            .collect();
        WithBlocks::decode(&table, |unit| unit == 50 || unit == 60)
    }

    #[test]
    fn finds_the_statements_around_an_instruction() {
        let with_blocks = nested();
        assert_eq!(with_blocks.around(9), [0; 0], "still acquiring");
        assert_eq!(with_blocks.around(15), [2]);
        assert_eq!(with_blocks.around(25), [4, 2]);
        assert_eq!(with_blocks.around(42), [2], "the inner one has been left");
        assert_eq!(with_blocks.around(45), [0; 0]);
    }

    proptest! {
        #[test]
        fn arbitrary_table_does_not_panic(table: Vec<u8>, unit: u32, odd: bool) {
            let _ = WithBlocks::decode(&table, |unit| (unit % 2 == 1) == odd).around(unit);
        }
    }
}
