//! A memory in which every address is mapped and the contents are a function of the address.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ungil_remote::memory::{Memory, ReadError};

/// Parameters of such a memory.
#[derive(Debug, Clone)]
pub(crate) struct MemoryRecipe {
    /// Seed of the contents.
    pub(crate) seed: u64,
    /// Of 16 words, how many are of each kind: a pointer to one of a few addresses, a pointer
    /// `stride` bytes ahead, a pointer to itself, a small number, a thread id of this process, a
    /// random word. The rest are 0.
    pub(crate) shares: [u8; 6],
    /// Number of addresses for the first kind of pointer.
    pub(crate) places: u64,
    /// Distance in bytes from a word to the target of a pointer of the second kind, which makes
    /// endless lists.
    pub(crate) stride: u64,
    /// Of 256 pages, how many are unmapped.
    pub(crate) holes: u8,
}

/// The memory. It has an offset table at the start of the first large range that is read, where the
/// reader searches for the runtime.
pub(crate) struct GeneratedMemory {
    pub(crate) recipe: MemoryRecipe,
    pub(crate) table: Vec<u8>,
    pub(crate) tid: u32,
    pub(crate) runtime: OnceLock<u64>,
    /// Number of reads after which everything is unmapped: generating the words is much slower than
    /// reading a process.
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

impl GeneratedMemory {
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

impl Memory for GeneratedMemory {
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
        // Generates whole words, starting at the one that contains the address.
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
