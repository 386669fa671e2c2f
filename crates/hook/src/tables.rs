//! The tables over shared words, without locks.
//!
//! Codes, types, stacks and sites are interned: a slot is claimed by the hash of what it is about
//! and never given back, so that its index is the thing's name at once, even while its first finder
//! still fills it in. Two things with the same 64-bit hash would be one; among a million that
//! happens once in thirty million profiles.
//!
//! Live blocks come and go. A block is put in by the thread that got it and taken out by the one
//! that releases it, which cannot be at the same time, so no slot is ever disputed but when it is
//! free. Slots lie in buckets that are always looked at as a whole: there are no tombstones, and a
//! table stays as quick as it was.

use crate::wire::{BUCKET, HASH, READY, head, live};
use std::sync::atomic::{
    AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// Slots that are tried before a table counts as full.
const PROBES: usize = 128;

/// Mixes words into a hash that is never 0 (Stafford's variant 13 of the finalizer of splitmix64).
pub fn mix(hash: u64, word: u64) -> u64 {
    let mut x = hash.rotate_left(23) ^ word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)).max(1)
}

/// A slot: its index, its words, and whether it is new and must be filled in and then
/// [`publish`]ed.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Its index in the table.
    pub index: usize,
    /// Its words.
    pub words: &'a [AtomicU64],
    /// Whether the caller has to fill it in.
    pub fresh: bool,
}

/// The slot for `hash` in a table of slots of `width` words; `None` when there is no room.
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

/// Says that a new slot is filled in.
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

/// Takes `count` words of the arena; `None` when it is full. `header` is the whole table's.
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

/// Sampled blocks that are live.
#[derive(Debug, Clone, Copy)]
pub struct LiveBlocks<'a> {
    /// Addresses.
    pub keys: &'a [AtomicU64],
    /// Two words for each; see [`live`].
    pub blocks: &'a [AtomicU64],
    /// One word a bucket.
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

    /// Puts a block in; false when there is no room near its place.
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

    /// Takes a block out: its two words, if it was sampled.
    pub fn take(&self, address: u64) -> Option<(u64, u64)> {
        // `free(NULL)` and `realloc(NULL, n)` come here too, and a free slot's key must not be
        // mistaken for theirs.
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
    fn a_thing_has_one_index_and_a_full_table_says_so() {
        let table = words(64 * 4);
        let first = intern(&table, 4, 77).map(|s| (s.index, s.fresh));
        assert_eq!(first.map(|f| f.1), Some(true));
        assert_eq!(intern(&table, 4, 77).map(|s| (s.index, s.fresh)), first.map(|f| (f.0, false)));
        let all = (1000..1063).map(|h| intern(&table, 4, h).expect("room").index);
        let distinct: std::collections::HashSet<usize> = all.chain(first.map(|f| f.0)).collect();
        assert_eq!(distinct.len(), 64);
        assert!(intern(&table, 4, 5).is_none());
    }

    #[test]
    fn text_ends_at_the_arena_s_end() {
        let (header, arena) = (words(64), words(10));
        assert_eq!(take_text(&header, &arena, 6).map(|t| (t.0, t.1.len())), Some((0, 6)));
        assert!(take_text(&header, &arena, 5).is_none());
        assert_eq!(take_text(&header, &arena, 4).map(|t| t.0), Some(6));
    }

    #[test]
    fn live_blocks_are_what_was_put_and_not_taken() {
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

    /// Threads that own different blocks, in a table small enough for every bucket to be fought
    /// for.
    #[test]
    fn threads_never_lose_each_other_s_blocks() {
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
    fn no_address_is_no_block() {
        let (keys, blocks, spills) = (words(64), words(128), words(4));
        let live = LiveBlocks { keys: &keys, blocks: &blocks, spills: &spills };
        assert_eq!((live.take(0), live.take(1)), (None, None));
    }

    #[test]
    fn sums_of_floats_are_sums() {
        let word = AtomicU64::new(0);
        add(&word, 1.5);
        add(&word, 2.25);
        assert_eq!(f64::from_bits(word.load(Relaxed)), 3.75);
    }
}
