//! Reads the command line of a process from the initial stack set up by the kernel.
//!
//! `NT_PRPSINFO` has only the first 79 bytes of the command line. The kernel lays out, from low to
//! high addresses: the argument count, the argument pointers, a zero, the environment pointers, a
//! zero, and the auxiliary vector. The bytes of the vector are known from a note, so the vector can
//! be located on the stack.

use crate::memory::Memory;

/// Bytes of the stack below `AT_RANDOM` that are searched. The vector is a few hundred bytes below.
const SEARCH_SIZE: u64 = 16 << 10;
/// Maximum number of argument and environment pointers, and total size of all arguments.
const MAX_POINTERS: u64 = 1 << 16;
const MAX_BYTES: usize = 2 << 20;

/// Returns the arguments of the process with this auxiliary vector; `None` if the stack does not
/// have the expected layout.
pub(super) fn read(memory: &dyn Memory, random: u64, vector: &[u8]) -> Option<Vec<Vec<u8>>> {
    let head = vector.get(..16)?;
    let from = (random & !7).checked_sub(SEARCH_SIZE)?;
    let below = memory.vec(from, SEARCH_SIZE, SEARCH_SIZE as usize).ok()?;
    let is_start = |&at: &usize| below.get(at..).is_some_and(|rest| rest.starts_with(head));
    let start = from + (0..below.len()).step_by(8).rev().find(is_start)? as u64;
    // The word before the vector is the zero that ends the environment.
    let before_zero = |mut at: u64| {
        for _ in 0..MAX_POINTERS {
            at = at.checked_sub(8)?;
            if memory.u64(at).ok()? == 0 {
                return Some(at);
            }
        }
        None
    };
    let end = before_zero(start - 8)?;
    let mut pointers = Vec::new();
    let mut at = end;
    loop {
        at = at.checked_sub(8)?;
        let value = memory.u64(at).ok()?;
        if value == pointers.len() as u64 {
            break;
        }
        if pointers.len() as u64 == MAX_POINTERS {
            return None;
        }
        pointers.push(value);
    }
    let mut left = MAX_BYTES;
    let mut arguments = Vec::with_capacity(pointers.len());
    for &pointer in pointers.iter().rev() {
        let text = memory.c_string(pointer, left).ok()?;
        left = left.saturating_sub(text.len() + 1);
        arguments.push(text);
    }
    Some(arguments)
}
