//! Memory as a walk sees it: what the file has at an address, with the pointers its loader makes,
//! and what was stored since.
//!
//! CreatedModules that build their slots at run time (pybind11's in a static array, some of PyO3's) are
//! read through this.

use crate::gil_analysis::value::{Value, mask};
use crate::image::Image;
use rustc_hash::FxHashMap;

/// Where the walked function's stack begins. Nothing real is mapped there: it is not canonical.
pub(crate) const STACK_START: u64 = 0x7fff_ff00_0000_0000;
/// The most stack that a walk has, above and below where it begins.
pub(crate) const STACK_BYTES: u64 = 1 << 24;
/// Where memory begins that the walked function gets for itself, zeroed: as unreal as the stack,
/// and nowhere near it.
const HEAP_START: u64 = 0x7ffe_ff00_0000_0000;
/// From one such allocation to the next, more than the longest.
const HEAP_STEP: u64 = 1 << 16;
/// The longest allocation that is followed, in bytes, and the most of one way: a definition and its
/// slots are two short ones.
const MAX_ALLOCATION: u64 = 4_096;
const MAX_ALLOCATIONS: u64 = 16;
/// The most words kept of one way: hostile code could store for ever.
const MAX_WORDS: usize = 2_048;

/// What was stored, by aligned words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    words: FxHashMap<u64, StoredWord>,
    /// Where arrays begin that were stored to at an index that is not known.
    indexed_bases: Vec<u64>,
    /// How many allocations there were.
    allocations: u64,
}

#[derive(Debug, Clone, Copy)]
enum StoredWord {
    /// One value, stored at once.
    Whole(Value),
    /// Some of its bytes, and which: those whose bits are set in the second number. The others are
    /// unknown.
    Bytes(u64, u64),
}

/// Whether an address is in the walk's stack.
pub(crate) fn is_stack(address: u64) -> bool {
    address.abs_diff(STACK_START) < STACK_BYTES
}

/// The end of the allocation that an address is in, if it is in one.
fn end_of_allocation(address: u64) -> Option<u64> {
    let offset = address.checked_sub(HEAP_START)?;
    (offset < MAX_ALLOCATIONS * HEAP_STEP).then(|| (address | (HEAP_STEP - 1)) + 1)
}

/// Whether an address is one that only a walk has.
pub(crate) fn is_synthetic(address: u64) -> bool {
    is_stack(address) || end_of_allocation(address).is_some()
}

impl Memory {
    /// Gives zeroed memory of `len` bytes; `None` if that is more than is followed.
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

    /// `size` bytes (of at most 8) at an address, if they are known.
    pub(crate) fn load(&self, image: &Image, address: u64, size: u32) -> Option<Value> {
        let offset = (address & 7) as u32;
        let start = address - u64::from(offset);
        if size == 8 && offset != 0 && !self.words.contains_key(&start) {
            // A pointer need not be aligned to be filled in by a loader.
            if let Some(value) = loader_pointer(image, address) {
                return Some(value);
            }
        }
        if let Some(StoredWord::Bytes(_, known)) = self.words.get(&start) {
            // A slot's id is copied together with padding that nothing was stored to.
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

    /// An aligned word; bytes of it that are not known are zero.
    fn word(&self, image: &Image, address: u64) -> Option<Value> {
        match self.words.get(&address) {
            Some(StoredWord::Whole(value)) => Some(*value),
            // What lies beside a narrow local is not asked for.
            Some(StoredWord::Bytes(value, _)) => Some(Value::Known(*value)),
            None => initial_word(image, address),
        }
    }

    /// Stores `size` bytes, of at most 8.
    pub(crate) fn store(&mut self, image: &Image, address: u64, size: u32, value: Value) {
        let offset = (address & 7) as u32;
        let start = address - u64::from(offset);
        if offset == 0 && size == 8 {
            self.words.insert(start, StoredWord::Whole(value));
            return;
        }
        let Value::Known(number) = value else {
            // What is narrower than its word keeps its name where it begins the word.
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

    /// Keeps that an address was made of this one and an index that is not known: what is stored
    /// there is not seen.
    pub(crate) fn mark_indexed(&mut self, address: u64) {
        // Small numbers are fields of what is elsewhere; and a few are as good as many.
        if address > 4_096
            && !is_stack(address)
            && self.indexed_bases.len() < 64
            && !self.indexed_bases.contains(&address)
        {
            self.indexed_bases.push(address);
        }
    }

    /// Whether that may have been in this range.
    pub(crate) fn may_be_indexed(&self, from: u64, to: u64) -> bool {
        self.indexed_bases.len() == 64
            || self.indexed_bases.iter().any(|address| (from..to).contains(address))
    }

    /// Whether a word is one of a variable that begins as zero and was not stored to here.
    pub(crate) fn is_unwritten_zero(&self, image: &Image, address: u64) -> bool {
        let start = address & !7;
        !is_stack(start) && !self.words.contains_key(&start) && image.bytes(start, 8).is_none()
    }

    /// How many words were stored to.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether no more can be kept: from then on it would say what is no longer so.
    pub(crate) fn is_full(&self) -> bool {
        self.words.len() >= MAX_WORDS
    }

    /// What was stored, in no order.
    pub(crate) fn words(&self) -> impl Iterator<Item = (u64, Value)> + '_ {
        self.words.iter().map(|(&address, &word)| match word {
            StoredWord::Whole(value) => (address, value),
            StoredWord::Bytes(value, _) => (address, Value::Known(value)),
        })
    }

    /// Forgets what a call may have changed that was not followed and was given this address: of
    /// the stack up to `end`, or of memory that was allocated.
    pub(crate) fn invalidate(&mut self, address: u64, end: u64) {
        if is_stack(address) {
            self.forget(address, end.min(address.saturating_add(256)));
        } else if let Some(end) = end_of_allocation(address) {
            self.forget(address, end);
        }
    }

    /// Forgets what memory has between two addresses.
    pub(crate) fn forget(&mut self, from: u64, to: u64) {
        self.words.retain(|address, _| !(from..to).contains(address));
    }

    /// Whether anything was stored in a range of an image's memory.
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

/// What an aligned word has before anything runs.
fn initial_word(image: &Image, address: u64) -> Option<Value> {
    if is_stack(address) {
        return None;
    }
    loader_pointer(image, address).or_else(|| image.word(address).map(Value::Known))
}
