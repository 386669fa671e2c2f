//! A shard's entries: an open-addressed row, probed linearly, in which a slot only ever moves
//! forward.
//!
//! ```text
//! key:    0 (never used) -> the key -> DEAD (removed) or MOVED (now in another array)
//! value:  0              -> a value -> another value ... -> DEAD or MOVED
//! ```
//!
//! An entry belongs to one key for the whole life of its array, which is what lets a reader, or a
//! writer that replaces a value, work without a lock: whoever exchanges a live value has exchanged
//! that key's value. Removed entries are swept when the shard moves to its next array.

#![allow(unsafe_code)]

use crate::owned::{Counted, Owned};
use crate::prim::atomic::{AtomicU64, Ordering};
use crate::slot::RawSlot;
use std::collections::TryReserveError;

/// In a value: the key is not in the table any more. In a key: its count has been taken out.
pub(super) const DEAD: u64 = 0b0111;
/// The entry is in the shard's next array, or will be when that is published.
pub(super) const MOVED: u64 = 0b1011;

/// Whether a value's word says that the entry is in the table.
#[inline]
pub(super) fn is_live(word: u64) -> bool {
    word != DEAD && word != MOVED && word != 0
}

/// One place.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(32)))]
pub(super) struct Entry {
    pub(super) key: RawSlot,
    pub(super) value: RawSlot,
    hash: AtomicU64,
}

impl Entry {
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hash.load(Ordering::Relaxed)
    }

    /// Fills a place that was never used. The key is published last: who sees it sees the rest.
    pub(super) fn fill(&self, hash: u64, key: u64, value: u64) {
        self.hash.store(hash, Ordering::Relaxed);
        self.value.swap(value);
        self.key.swap(key);
    }

    /// Ends the entry's life here, leaving `mark` in both words: its value and its key, with their
    /// counts, if it was in the table.
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
                // Whoever ends a value's life owns the key.
                Ok(value) => return Some((self.key.swap(mark), value)),
                Err(now) => value = now,
            }
        }
    }
}

/// How many neighbouring places lie together.
const TOGETHER: usize = if cfg!(loom) { 1 } else { 4 };

/// Two cache lines, which processors fetch together. Keys that are neighbouring ints live in one
/// ([`super::Search::new`]), so that threads that work on ranges of their own do not meet.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(128)))]
struct Group(#[expect(dead_code, reason = "read through `Array::entries`")] [Entry; TOGETHER]);

const _: () = assert!(size_of::<Group>() == TOGETHER * size_of::<Entry>());

/// The row.
pub(super) struct Array {
    /// Told apart from every other array there ever was; 0 is no array.
    pub(super) id: u64,
    groups: Box<[Group]>,
}

static IDS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl Array {
    /// An empty row of `capacity` (a power of two) entries.
    pub(super) fn new(capacity: usize) -> Result<Box<Self>, TryReserveError> {
        let mut groups = Vec::new();
        groups.try_reserve_exact(capacity.div_ceil(TOGETHER))?;
        groups.resize_with(capacity.div_ceil(TOGETHER), Group::default);
        let id = IDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Box::new(Self { id, groups: groups.into_boxed_slice() }))
    }

    /// How many entries may ever be used: a quarter stays empty, so that every search ends, and
    /// soon.
    pub(super) fn limit(&self) -> usize {
        limit(self.entries().len())
    }

    #[inline]
    pub(super) fn entries(&self) -> &[Entry] {
        // SAFETY: a group is its entries and nothing else, as its size says.
        unsafe {
            std::slice::from_raw_parts(self.groups.as_ptr().cast(), self.groups.len() * TOGETHER)
        }
    }

    /// The `index`th entry, from wherever a search began, round and round.
    #[inline]
    pub(super) fn at(&self, index: usize) -> &Entry {
        let entries = self.entries();
        &entries[index & (entries.len() - 1)]
    }

    /// Puts an entry in that is known not to be there, while nobody else writes.
    pub(super) fn place(&self, hash: u64, key: u64, value: u64) {
        let mut index = hash as usize;
        while self.at(index).key.peek() != 0 {
            index = index.wrapping_add(1);
        }
        self.at(index).fill(hash, key, value);
    }

    /// Gives back the counts of everything that is still in the table.
    ///
    /// # Safety
    /// Keys are counted as `K` says and values as `V` says. Nobody else is at this array, nor will
    /// be.
    pub(super) unsafe fn release<K: Counted, V: Counted>(&self) {
        for (key, value) in self.entries().iter().filter_map(|entry| entry.take(DEAD)) {
            // SAFETY: `take` gave both counts.
            let (key, value) = unsafe { owned::<K, V>((key, value)) };
            value.dispose();
            key.dispose();
        }
    }
}

/// Makes what [`Entry::take`] gave a key and a value again.
///
/// # Safety
/// The caller owns a count of both, as `K` and `V` count.
pub(super) unsafe fn owned<K: Counted, V: Counted>(
    (key, value): (u64, u64),
) -> (Owned<K>, Owned<V>) {
    // SAFETY: the caller's; marks are never taken.
    unsafe { (Owned::from_raw(key), Owned::from_raw(value)) }
}

/// See [`Array::limit`].
pub(super) fn limit(capacity: usize) -> usize {
    capacity - capacity.div_ceil(4)
}
