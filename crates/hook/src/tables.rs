//! Lock-free tables over shared words.
//!
//! Codes, types, stacks and sites are interned: a slot is claimed by a 64-bit hash and never
//! released, so its index is usable immediately, even while the thread that claimed it still fills
//! it in. Two entries with the same hash would be merged; with a million entries that happens once
//! in thirty million profiles.
//!
//! Live blocks are added by the thread that allocated them and removed by the one that frees them,
//! which cannot happen at the same time, so threads compete for free slots only. Slots are grouped
//! in buckets that are always searched completely: there are no tombstones, and a table does not
//! get slower with age.

use crate::wire::{BUCKET, HASH, READY, head, live};
use std::sync::atomic::{
    AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// Slots that are probed before a table counts as full.
const PROBES: usize = 128;

/// Mixes a word into a hash that is never 0 (Stafford's variant 13 of the splitmix64 finalizer).
pub fn mix(hash: u64, word: u64) -> u64 {
    let mut x = hash.rotate_left(23) ^ word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)).max(1)
}

/// A slot. If it is `fresh`, the caller must fill it in and then [`publish`] it.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Its index in the table.
    pub index: usize,
    /// Its words.
    pub words: &'a [AtomicU64],
    /// Whether the caller must fill it in.
    pub fresh: bool,
}

/// Finds or claims the slot for `hash` in a table of slots of `width` words; `None` if the table is
/// full.
pub fn intern(table: &[AtomicU64], width: usize, hash: u64) -> Option<Slot<'_>> {
    let slots = table.len() / width;
    for step in 0..PROBES.min(slots) {
        let index = (hash as usize).wrapping_add(step) & (slots - 1);
        let words = table.get(index * width..(index + 1) * width)?;
        let key = words.get(HASH)?;
        let mut there = key.load(Acquire);
        if there == 0 {
            match key.compare_exchange(0, hash, AcqRel, Acquire) {
                Ok(_) => return Some(Slot { index, words, fresh: true }),
                Err(other) => there = other,
            }
        }
        if there == hash {
            return Some(Slot { index, words, fresh: false });
        }
    }
    None
}

/// Marks a new slot as filled in.
pub fn publish(words: &[AtomicU64]) {
    if let Some(ready) = words.get(READY) {
        ready.store(1, Release);
    }
}

/// Adds to an `f64` in a word.
pub fn add(word: &AtomicU64, what: f64) {
    let sum = |bits: u64| Some((f64::from_bits(bits) + what).to_bits());
    let _ = word.fetch_update(Relaxed, Relaxed, sum);
}

/// Allocates `count` words of the arena; `None` if it is full. `header` is the whole table's.
pub fn take_text<'a>(
    header: &[AtomicU64],
    arena: &'a [AtomicU64],
    count: usize,
) -> Option<(usize, &'a [AtomicU64])> {
    let used = header.get(head::TEXT_USED)?;
    let more = |at: u64| at.checked_add(count as u64).filter(|end| *end <= arena.len() as u64);
    let at = used.fetch_update(Relaxed, Relaxed, more).ok()? as usize;
    Some((at, arena.get(at..at + count)?))
}

/// The live sampled blocks.
#[derive(Debug, Clone, Copy)]
pub struct LiveBlocks<'a> {
    /// Addresses.
    pub keys: &'a [AtomicU64],
    /// Two words for each block; see [`live`].
    pub blocks: &'a [AtomicU64],
    /// One word per bucket; see [`Shape::spill_span`](crate::shape::Shape::spill_span).
    pub spills: &'a [AtomicU64],
}

impl LiveBlocks<'_> {
    fn buckets(&self, address: u64) -> impl Iterator<Item = usize> + use<> {
        let count = self.spills.len();
        let home = mix(0, address) as usize;
        (0..count.min(8)).map(move |step| home.wrapping_add(step) & (count - 1))
    }

    fn block(&self, slot: usize) -> Option<(&AtomicU64, &AtomicU64)> {
        Some((self.blocks.get(slot * 2 + live::WHERE)?, self.blocks.get(slot * 2 + live::SIZE)?))
    }

    /// Adds a block; false if the buckets near its hash are full.
    pub fn put(&self, address: u64, place: u64, size: u64) -> bool {
        for bucket in self.buckets(address) {
            for slot in bucket * BUCKET..(bucket + 1) * BUCKET {
                let (Some(key), Some(block)) = (self.keys.get(slot), self.block(slot)) else {
                    continue;
                };
                let free = key.load(Relaxed) == live::FREE;
                if free && key.compare_exchange(live::FREE, live::CLAIMED, AcqRel, Relaxed).is_ok()
                {
                    block.0.store(place, Relaxed);
                    block.1.store(size, Relaxed);
                    key.store(address, Release);
                    return true;
                }
            }
            if let Some(spill) = self.spills.get(bucket) {
                spill.store(1, Release);
            }
        }
        false
    }

    /// Removes a block; returns its two words if it was sampled.
    pub fn take(&self, address: u64) -> Option<(u64, u64)> {
        // `free(NULL)` and `realloc(NULL, n)` reach this function too, and must not match the key
        // of a free slot.
        if address <= live::CLAIMED {
            return None;
        }
        for bucket in self.buckets(address) {
            for slot in bucket * BUCKET..(bucket + 1) * BUCKET {
                let key = self.keys.get(slot)?;
                if key.load(Acquire) == address {
                    let (place, size) = self.block(slot)?;
                    let found = (place.load(Relaxed), size.load(Relaxed));
                    key.store(live::FREE, Release);
                    return Some(found);
                }
            }
            if self.spills.get(bucket)?.load(Acquire) == 0 {
                return None;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn words(n: usize) -> Vec<AtomicU64> {
        (0..n).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn interning_is_stable_and_detects_a_full_table() {
        let table = words(64 * 4);
        let first = intern(&table, 4, 77).map(|s| (s.index, s.fresh));
        assert_eq!(first.map(|f| f.1), Some(true));
        assert_eq!(intern(&table, 4, 77).map(|s| (s.index, s.fresh)), first.map(|f| (f.0, false)));
        let all = (1000..1063).map(|h| intern(&table, 4, h).expect("a free slot").index);
        let distinct: std::collections::HashSet<usize> = all.chain(first.map(|f| f.0)).collect();
        assert_eq!(distinct.len(), 64);
        assert!(intern(&table, 4, 5).is_none());
    }

    #[test]
    fn the_arena_is_bounded() {
        let (header, arena) = (words(64), words(10));
        assert_eq!(take_text(&header, &arena, 6).map(|t| (t.0, t.1.len())), Some((0, 6)));
        assert!(take_text(&header, &arena, 5).is_none());
        assert_eq!(take_text(&header, &arena, 4).map(|t| t.0), Some(6));
    }

    #[test]
    fn live_blocks_match_a_model() {
        let (keys, blocks, spills) = (words(256), words(512), words(16));
        let live = LiveBlocks { keys: &keys, blocks: &blocks, spills: &spills };
        let mut truth = HashMap::new();
        let (mut state, mut refused) = (42, 0);
        for n in 0..20_000u64 {
            let (next, _) = crate::sampling::uniform(state);
            state = next;
            let address = 0x1000 + (state % 400) * 16;
            if let Some(size) = truth.remove(&address) {
                assert_eq!(live.take(address), Some((address, size)));
            } else {
                assert_eq!(live.take(address), None);
                if live.put(address, address, n) {
                    truth.insert(address, n);
                } else {
                    refused += 1;
                }
            }
        }
        assert!(truth.len() > 100);
        assert!(refused < 2000, "{refused} refused by a table that is half full on average");
        let there = keys.iter().filter(|k| k.load(Relaxed) != live::FREE).count();
        assert_eq!(there, truth.len());
    }

    /// Threads with different blocks, in a table small enough that they compete for every bucket.
    #[test]
    fn concurrent_threads_lose_no_blocks() {
        let (keys, blocks, spills) = (words(1024), words(2048), words(64));
        let live = LiveBlocks { keys: &keys, blocks: &blocks, spills: &spills };
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                scope.spawn(move || {
                    for round in 0..2000u64 {
                        let address = |n: u64| 0x10_0000 + ((round * 40 + n) * 4 + thread) * 16;
                        let put: Vec<bool> =
                            (0..40).map(|n| live.put(address(n), thread, round)).collect();
                        for (n, put) in put.into_iter().enumerate() {
                            assert_eq!(
                                live.take(address(n as u64)),
                                put.then_some((thread, round))
                            );
                        }
                    }
                });
            }
        });
        assert!(keys.iter().all(|k| k.load(Relaxed) == live::FREE));
    }

    #[test]
    fn null_is_not_a_block() {
        let (keys, blocks, spills) = (words(64), words(128), words(4));
        let live = LiveBlocks { keys: &keys, blocks: &blocks, spills: &spills };
        assert_eq!((live.take(0), live.take(1)), (None, None));
    }

    #[test]
    fn floats_are_added() {
        let word = AtomicU64::new(0);
        add(&word, 1.5);
        add(&word, 2.25);
        assert_eq!(f64::from_bits(word.load(Relaxed)), 3.75);
    }
}
