//! The entries of a shard: an open-addressing array with linear probing, in which each word moves
//! through its states in one direction only.
//!
//! ```text
//! key:    0 (never used) -> the key -> TOMBSTONE (removed) or MOVED (now in another array)
//! value:  0              -> a value -> another value ... -> TOMBSTONE or MOVED
//! ```
//!
//! An entry belongs to one key for the whole life of its array. That lets readers, and writers that
//! replace a value, work without a lock: a thread that exchanges a live value has exchanged that
//! key's value. Removed entries are dropped when the shard moves to its next array. The scheme
//! resembles Cliff Click's non-blocking hash map, with a lock for insertions and moves.

#![allow(unsafe_code)]

use crate::owned::{Counted, Owned};
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::slot::RawSlot;
use std::collections::TryReserveError;

/// In a value: the key was removed. In a key: its count has been taken out.
pub(super) const TOMBSTONE: u64 = 0b0111;
/// The entry is in the shard's next array, or will be once that is published.
pub(super) const MOVED: u64 = 0b1011;

/// Returns true if a value's word means that the entry is in the table.
#[inline]
pub(super) fn is_live(word: u64) -> bool {
    word != TOMBSTONE && word != MOVED && word != 0
}

/// One entry.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(32)))]
pub(super) struct Entry {
    /// 0, an owned key, [`TOMBSTONE`] or [`MOVED`]. Published after `value` and `hash`.
    pub(super) key: RawSlot,
    /// 0, an owned value, [`TOMBSTONE`] or [`MOVED`].
    pub(super) value: RawSlot,
    /// Relaxed: written once, before `key` is published.
    hash: AtomicU64,
}

impl Entry {
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hash.load(Ordering::Relaxed)
    }

    /// Fills an unused entry. The key is published last, so a thread that sees it sees the rest.
    pub(super) fn fill(&self, hash: u64, key: u64, value: u64) {
        self.hash.store(hash, Ordering::Relaxed);
        self.value.swap(value);
        self.key.swap(key);
    }

    /// Ends the entry's life, leaving `mark` in both words. Returns its key and value with their
    /// counts if it was in the table.
    pub(super) fn take(&self, mark: u64) -> Option<(u64, u64)> {
        if self.key.peek() == 0 {
            return None;
        }
        let mut value = self.value.peek();
        loop {
            if !is_live(value) {
                return None;
            }
            match self.value.compare_exchange(value, mark) {
                // The thread that ends a value's life owns the key.
                Ok(value) => return Some((self.key.swap(mark), value)),
                Err(now) => value = now,
            }
        }
    }
}

/// Number of entries in a [`Group`].
const ENTRIES_PER_GROUP: usize = if cfg!(loom) { 1 } else { 4 };

/// Two cache lines, which processors prefetch together. Keys that are neighbouring ints share one
/// group ([`super::Search::new`]), so threads that work on disjoint ranges do not contend.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(128)))]
struct Group(
    #[expect(dead_code, reason = "read through `Array::entries`")] [Entry; ENTRIES_PER_GROUP],
);

const _: () = assert!(size_of::<Group>() == ENTRIES_PER_GROUP * size_of::<Entry>());

/// The entry array.
pub(super) struct Array {
    /// Never reused; 0 means no array.
    pub(super) id: u64,
    groups: Box<[Group]>,
}

static IDS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl Array {
    /// Creates an empty array of `capacity` entries, a power of two.
    pub(super) fn new(capacity: usize) -> Result<Box<Self>, TryReserveError> {
        let mut groups = Vec::new();
        groups.try_reserve_exact(capacity.div_ceil(ENTRIES_PER_GROUP))?;
        groups.resize_with(capacity.div_ceil(ENTRIES_PER_GROUP), Group::default);
        let id = IDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Box::new(Self { id, groups: groups.into_boxed_slice() }))
    }

    /// Returns how many entries may ever be used. A quarter stays empty, so that every search ends
    /// soon.
    pub(super) fn limit(&self) -> usize {
        limit(self.entries().len())
    }

    #[inline]
    pub(super) fn entries(&self) -> &[Entry] {
        // SAFETY: a group consists of its entries and nothing else, as the assertion on its size
        // shows.
        unsafe {
            std::slice::from_raw_parts(
                self.groups.as_ptr().cast(),
                self.groups.len() * ENTRIES_PER_GROUP,
            )
        }
    }

    /// Returns the entry at `index`, modulo the capacity.
    #[inline]
    pub(super) fn entry_at(&self, index: usize) -> &Entry {
        let entries = self.entries();
        &entries[index & (entries.len() - 1)]
    }

    /// Inserts an entry whose key is known to be absent, while no other thread writes.
    pub(super) fn insert_new(&self, hash: u64, key: u64, value: u64) {
        let mut index = hash as usize;
        while self.entry_at(index).key.peek() != 0 {
            index = index.wrapping_add(1);
        }
        self.entry_at(index).fill(hash, key, value);
    }

    /// Releases the counts of all entries still in the table.
    ///
    /// # Safety
    /// Keys are counted as `K` says and values as `V` says. No other thread uses this array, now or
    /// later.
    pub(super) unsafe fn release<K: Counted, V: Counted>(&self) {
        for (key, value) in self.entries().iter().filter_map(|entry| entry.take(TOMBSTONE)) {
            // SAFETY: `take` returned both counts.
            let (key, value) = unsafe { owned::<K, V>((key, value)) };
            value.dispose();
            key.dispose();
        }
    }
}

/// Turns the result of [`Entry::take`] into an owned key and value.
///
/// # Safety
/// The caller owns a count of both, as `K` and `V` count.
pub(super) unsafe fn owned<K: Counted, V: Counted>(
    (key, value): (u64, u64),
) -> (Owned<K>, Owned<V>) {
    // SAFETY: the caller's contract; marks are never taken.
    unsafe { (Owned::from_raw(key), Owned::from_raw(value)) }
}

/// Returns [`Array::limit`] for a capacity.
pub(super) fn limit(capacity: usize) -> usize {
    capacity - capacity.div_ceil(4)
}
