//! Searching for a key. Only the caller can compare keys, and a comparison may run arbitrary code,
//! which may use this table too. A search that needs such a comparison therefore stops with
//! [`CompareKeys`], releases everything, and resumes once the caller has compared the keys. An
//! entry never changes its key, so the search resumes where it stopped, unless the shard has moved
//! to another array: then it starts over.

#![allow(unsafe_code)]

use super::array::{Entry, MOVED, TOMBSTONE, is_live};
use super::reclaim::EpochGuard;
use super::shard::Shard;
use crate::owned::{Counted, Owned};

/// The key to search for.
pub trait Query<K: Counted> {
    /// Returns true if the stored key certainly differs, judging by its word alone.
    fn differs(&self, stored: u64) -> bool;

    /// Compares a stored key of the same hash. Must not run foreign code.
    fn compare(&self, stored: &Owned<K>) -> KeyComparison;
}

/// Result of [`Query::compare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyComparison {
    /// The keys are equal.
    Equal,
    /// The keys differ.
    Different,
    /// Only foreign code can tell.
    Unknown,
}

/// The caller must compare this stored key with the one searched for, and report the result with
/// [`Search::accept`] or [`Search::skip`].
pub struct CompareKeys<K: Counted>(pub Owned<K>);

/// The progress of a search.
pub struct Search<K: Counted> {
    pub(super) hash: u64,
    word: u64,
    /// The stored key known to be equal. Its count is held, so no other key can get its address.
    equal_key: Option<Owned<K>>,
    /// Id of the array and index of the next entry to examine.
    pub(super) next: (u64, usize),
}

impl<K: Counted> Search<K> {
    /// Starts a search for a key with that hash and word. Keys with equal words are equal.
    #[inline]
    pub fn new(hash: u64, word: u64) -> Self {
        // Python hashes small ints to themselves, so hashes must be spread over the shards and
        // within them. The last two bits stay, so that four neighbouring keys share a group.
        let spread = (hash >> 2).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let spread = (spread ^ (spread >> 32)) & !3 | hash & 3;
        Self { hash: spread, word, equal_key: None, next: (u64::MAX, 0) }
    }

    /// Reports that the stored key is equal.
    pub fn accept(&mut self, stored: Owned<K>) {
        self.equal_key = Some(stored);
    }

    /// Reports that the stored key differs.
    pub fn skip(&mut self) {
        self.next.1 = self.next.1.wrapping_add(1);
    }
}

/// Result of [`find`], at [`Search::next`].
pub(super) enum Lookup<'g> {
    /// The key's entry, which may have been removed from the table.
    Entry(&'g Entry),
    /// The key is not in the table.
    Absent,
}

/// Finds the key's next entry.
#[inline(always)]
pub(super) fn find<'g, K: Counted, Q: Query<K>>(
    shard: &Shard,
    query: &Q,
    search: &mut Search<K>,
    guard: &'g EpochGuard,
) -> Result<Lookup<'g>, CompareKeys<K>> {
    let equal = search.equal_key.as_ref().map_or(0, Owned::as_raw);
    loop {
        let Some(array) = shard.array(guard) else {
            search.next = (0, 0);
            return Ok(Lookup::Absent);
        };
        let mut index =
            if search.next.0 == array.id { search.next.1 } else { search.hash as usize };
        loop {
            let entry = array.entry_at(index);
            let key = entry.key.peek();
            if key == 0 {
                search.next = (array.id, index);
                return Ok(Lookup::Absent);
            }
            if entry.hash() == search.hash {
                if key == search.word || key == equal {
                    search.next = (array.id, index);
                    return Ok(Lookup::Entry(entry));
                }
                if key == MOVED {
                    shard.wait_until_replaced(array.id, guard);
                    break;
                }
                if key != TOMBSTONE && !query.differs(key) {
                    search.next = (array.id, index);
                    if is_equal::<K, Q>(query, entry)? {
                        return Ok(Lookup::Entry(entry));
                    }
                    // If the entry has moved meanwhile, its key is not a different one.
                    if entry.key.peek() == MOVED {
                        continue;
                    }
                }
            }
            index = index.wrapping_add(1);
        }
    }
}

/// Compares the entry's key with the query.
#[cold]
fn is_equal<K: Counted, Q: Query<K>>(query: &Q, entry: &Entry) -> Result<bool, CompareKeys<K>> {
    // SAFETY: an entry's key is counted as `K` says, or is a mark.
    let stored = unsafe { entry.key.load::<K>() };
    if !is_live(stored) {
        return Ok(false);
    }
    // SAFETY: `load` raised the count. If the query gives a verdict and this is the last count, the
    // key is of a type known to the query, whose deallocation runs no foreign code.
    let stored = unsafe { Owned::from_raw(stored) };
    match query.compare(&stored) {
        KeyComparison::Unknown => Err(CompareKeys(stored)),
        verdict => Ok(verdict == KeyComparison::Equal),
    }
}
