//! Memory during symbolic execution: the contents of the file, with relocations applied, overlaid
//! by what was stored on the path.
//!
//! Modules that build their slots at run time (pybind11 in a static array, some versions of PyO3)
//! are read through it.

use crate::gil_analysis::value::{Value, mask};
use crate::image::Image;
use rustc_hash::FxHashMap;

/// Start of the synthetic stack. The address is not canonical, so it collides with no real one.
pub(crate) const STACK_START: u64 = 0x7fff_ff00_0000_0000;
/// Maximum size of the synthetic stack, above and below its start.
pub(crate) const STACK_BYTES: u64 = 1 << 24;
/// Start of the synthetic heap for zeroed allocations: not canonical, and far from the stack.
const HEAP_START: u64 = 0x7ffe_ff00_0000_0000;
/// Distance between allocations; more than the largest.
const HEAP_STEP: u64 = 1 << 16;
/// Maximum size of an allocation in bytes, and maximum number of allocations on a path. A
/// definition and its slots are two short ones.
const MAX_ALLOCATION: u64 = 4_096;
const MAX_ALLOCATIONS: u64 = 16;
/// Maximum number of words stored on a path, a bound for hostile code.
const MAX_WORDS: usize = 2_048;

/// Stored values, by aligned word.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    words: FxHashMap<u64, StoredWord>,
    /// Base addresses of arrays that were written at an unknown index.
    indexed_bases: Vec<u64>,
    allocations: u64,
}

#[derive(Debug, Clone, Copy)]
enum StoredWord {
    /// One value, stored at once.
    Whole(Value),
    /// Known bytes, and a mask of which bytes are known.
    Bytes(u64, u64),
}

/// Returns whether an address is on the synthetic stack.
pub(crate) fn is_stack(address: u64) -> bool {
    address.abs_diff(STACK_START) < STACK_BYTES
}

/// Returns the end of the allocation that contains an address.
fn end_of_allocation(address: u64) -> Option<u64> {
    let offset = address.checked_sub(HEAP_START)?;
    (offset < MAX_ALLOCATIONS * HEAP_STEP).then(|| (address | (HEAP_STEP - 1)) + 1)
}

/// Returns whether an address is on the synthetic stack or heap.
pub(crate) fn is_synthetic(address: u64) -> bool {
    is_stack(address) || end_of_allocation(address).is_some()
}

impl Memory {
    /// Allocates `len` zeroed bytes. Returns `None` beyond the limits.
    pub(crate) fn allocate(&mut self, len: u64) -> Option<u64> {
        if len > MAX_ALLOCATION || self.allocations == MAX_ALLOCATIONS {
            return None;
        }
        let start = HEAP_START + self.allocations * HEAP_STEP;
        self.allocations += 1;
        for word in 0..len.div_ceil(8) {
            self.words.insert(start + 8 * word, StoredWord::Whole(Value::Known(0)));
        }
        Some(start)
    }

    /// Loads `size` bytes (at most 8) from an address, if they are known.
    pub(crate) fn load(&self, image: &Image, address: u64, size: u32) -> Option<Value> {
        let offset = (address & 7) as u32;
        let start = address - u64::from(offset);
        if size == 8 && offset != 0 && !self.words.contains_key(&start) {
            // Relocated pointers need not be aligned.
            if let Some(value) = loader_pointer(image, address) {
                return Some(value);
            }
        }
        if let Some(StoredWord::Bytes(_, known)) = self.words.get(&start) {
            // A slot's id is copied together with uninitialized padding.
            let asked = if size == 8 && offset == 0 { mask(4) } else { mask(size) << (8 * offset) };
            if known & asked != asked {
                return None;
            }
        }
        let low = self.word(image, start)?;
        if offset == 0 {
            return match low {
                Value::Known(_) | Value::Symbol(_) => Some(low),
                Value::Import(_) => (size == 8).then_some(low),
            };
        }
        let low = low.known()? >> (8 * offset);
        if offset + size <= 8 {
            return Some(Value::Known(low & mask(size)));
        }
        let high = self.word(image, start.checked_add(8)?)?.known()? << (64 - 8 * offset);
        Some(Value::Known((low | high) & mask(size)))
    }

    /// Returns an aligned word, with zero for unknown bytes.
    fn word(&self, image: &Image, address: u64) -> Option<Value> {
        match self.words.get(&address) {
            Some(StoredWord::Whole(value)) => Some(*value),
            // Bytes next to a narrow local variable are not used.
            Some(StoredWord::Bytes(value, _)) => Some(Value::Known(*value)),
            None => initial_word(image, address),
        }
    }

    /// Stores `size` bytes (at most 8).
    pub(crate) fn store(&mut self, image: &Image, address: u64, size: u32, value: Value) {
        let offset = (address & 7) as u32;
        let start = address - u64::from(offset);
        if offset == 0 && size == 8 {
            self.words.insert(start, StoredWord::Whole(value));
            return;
        }
        let Value::Known(number) = value else {
            // A symbol narrower than its word is kept if it starts the word.
            let bits = mask(size) << (8 * offset);
            let word = match self.words.get(&start).copied() {
                _ if offset == 0 => StoredWord::Whole(value),
                Some(StoredWord::Bytes(before, known)) => {
                    StoredWord::Bytes(before & !bits, known & !bits)
                }
                Some(StoredWord::Whole(Value::Known(before))) => {
                    StoredWord::Bytes(before & !bits, !bits)
                }
                Some(whole) => whole,
                None => match initial_word(image, start) {
                    Some(Value::Known(before)) => StoredWord::Bytes(before & !bits, !bits),
                    _ => StoredWord::Bytes(0, 0),
                },
            };
            self.words.insert(start, word);
            if offset + size > 8
                && let Some(next) = start.checked_add(8)
            {
                self.words.insert(next, StoredWord::Whole(value));
            }
            return;
        };
        self.merge(image, start, mask(size) << (8 * offset), number << (8 * offset));
        if offset + size > 8
            && let Some(next) = start.checked_add(8)
        {
            let beyond = 8 * (8 - offset);
            self.merge(image, next, mask(size) >> beyond, number >> beyond);
        }
    }

    fn merge(&mut self, image: &Image, address: u64, bits: u64, value: u64) {
        let value = value & bits;
        let word = match self.words.get(&address) {
            Some(StoredWord::Whole(Value::Known(below))) => {
                StoredWord::Whole(Value::Known(value | below & !bits))
            }
            Some(StoredWord::Bytes(below, known)) => {
                StoredWord::Bytes(value | below & !bits, known | bits)
            }
            Some(StoredWord::Whole(_)) => StoredWord::Bytes(value, bits),
            None => match initial_word(image, address) {
                Some(Value::Known(below)) => StoredWord::Whole(Value::Known(value | below & !bits)),
                _ => StoredWord::Bytes(value, bits),
            },
        };
        self.words.insert(address, word);
    }

    /// Records that an address was computed from this base and an unknown index: stores through it
    /// are not tracked.
    pub(crate) fn mark_indexed(&mut self, address: u64) {
        // Small numbers are field offsets, not bases. At 64 bases everything counts as indexed.
        if address > 4_096
            && !is_stack(address)
            && self.indexed_bases.len() < 64
            && !self.indexed_bases.contains(&address)
        {
            self.indexed_bases.push(address);
        }
    }

    /// Returns whether a store at an unknown index may have hit this range.
    pub(crate) fn may_be_indexed(&self, from: u64, to: u64) -> bool {
        self.indexed_bases.len() == 64
            || self.indexed_bases.iter().any(|address| (from..to).contains(address))
    }

    /// Returns whether a word belongs to a zero-initialized variable that was not stored to on this
    /// path.
    pub(crate) fn is_unwritten_zero(&self, image: &Image, address: u64) -> bool {
        let start = address & !7;
        !is_stack(start) && !self.words.contains_key(&start) && image.bytes(start, 8).is_none()
    }

    /// Returns the number of stored words.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Returns whether the limit of stored words is reached. Later stores would be lost, and loads
    /// outdated.
    pub(crate) fn is_full(&self) -> bool {
        self.words.len() >= MAX_WORDS
    }

    /// Returns the stored words in no particular order.
    pub(crate) fn words(&self) -> impl Iterator<Item = (u64, Value)> + '_ {
        self.words.iter().map(|(&address, &word)| match word {
            StoredWord::Whole(value) => (address, value),
            StoredWord::Bytes(value, _) => (address, Value::Known(value)),
        })
    }

    /// Invalidates what a skipped call may have changed through an argument with this address: the
    /// stack up to `end`, or the allocation.
    pub(crate) fn invalidate(&mut self, address: u64, end: u64) {
        if is_stack(address) {
            self.forget(address, end.min(address.saturating_add(256)));
        } else if let Some(end) = end_of_allocation(address) {
            self.forget(address, end);
        }
    }

    /// Removes stored words in a range.
    pub(crate) fn forget(&mut self, from: u64, to: u64) {
        self.words.retain(|address, _| !(from..to).contains(address));
    }

    /// Returns whether anything was stored in a range.
    pub(crate) fn is_written(&self, from: u64, len: u64) -> bool {
        let end = from.saturating_add(len);
        (from & !7..end).step_by(8).any(|address| self.words.contains_key(&address))
    }
}

fn loader_pointer(image: &Image, address: u64) -> Option<Value> {
    match image.pointers.get(&address) {
        Some(&target) => Some(Value::Known(target)),
        None => image
            .cells
            .get(&address)
            .and_then(|&index| u32::try_from(index).ok())
            .map(Value::Import),
    }
}

/// Returns the value of an aligned word before execution.
fn initial_word(image: &Image, address: u64) -> Option<Value> {
    if is_stack(address) {
        return None;
    }
    loader_pointer(image, address).or_else(|| image.word(address).map(Value::Known))
}
