//! A memory in which everything is mapped and nothing is true: what is read follows from the
//! address alone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ungil_remote::memory::{Memory, ReadError};

/// How such a memory is made up.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// Makes another memory of the same kind.
    pub(crate) seed: u64,
    /// How often, of 16 words, each kind comes: a pointer to a few places, one a bit further on, to
    /// itself, a small number, a thread of this process, anything. What is left is 0.
    pub(crate) shares: [u8; 6],
    /// How few those places are.
    pub(crate) places: u64,
    /// Bytes from a word to what it points to, for pointers further on: lists without an end.
    pub(crate) stride: u64,
    /// Of 256 pages, so many are not mapped.
    pub(crate) holes: u8,
}

/// The memory, with a table of offsets at the start of the first large part that is read: where the
/// runtime is looked for.
pub(crate) struct Endless {
    pub(crate) recipe: Recipe,
    pub(crate) table: Vec<u8>,
    pub(crate) tid: u32,
    pub(crate) runtime: OnceLock<u64>,
    /// Reads after which nothing is mapped any more: making the words up costs far more than
    /// reading a process does.
    pub(crate) left: AtomicU64,
}

const BASE: u64 = 0x5555_0000_0000;

/// SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Endless {
    fn word(&self, at: u64) -> u64 {
        let made = mix(at ^ self.recipe.seed);
        let [kind, rest] = [made % 16, mix(made)];
        let mut left = kind;
        for (index, &share) in self.recipe.shares.iter().enumerate() {
            if left < u64::from(share) {
                return match index {
                    0 => BASE + rest % self.recipe.places * 0x1_0000,
                    1 => at.wrapping_add(self.recipe.stride),
                    2 => at,
                    3 => rest % 64,
                    4 => u64::from(self.tid),
                    _ => rest,
                };
            }
            left -= u64::from(share);
        }
        0
    }
}

impl Memory for Endless {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if into.len() >= 4096 {
            self.runtime.get_or_init(|| address);
        }
        if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() {
            return Err(ReadError::Unmapped(address));
        }
        if address < 0x1000 || mix(address >> 12) % 256 < u64::from(self.recipe.holes) {
            return Err(ReadError::Unmapped(address));
        }
        // Whole words from the one the address lies in; the part before it is dropped.
        let before = (address % 8) as usize;
        let words = (address & !7..).step_by(8).map(|at| self.word(at).to_le_bytes());
        for (byte, place) in words.flatten().skip(before).zip(into.iter_mut()) {
            *place = byte;
        }
        if let Some(&runtime) = self.runtime.get() {
            for (at, &byte) in (runtime..).zip(&self.table) {
                let place = at.checked_sub(address).and_then(|place| usize::try_from(place).ok());
                if let Some(place) = place.and_then(|place| into.get_mut(place)) {
                    *place = byte;
                }
            }
        }
        Ok(())
    }
}
