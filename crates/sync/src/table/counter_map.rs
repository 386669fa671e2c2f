//! A concurrent map from keys to counters. A count is a single word in the table until threads
//! collide on it. Then it becomes a striped count with one cell per thread, so adding to a hot key
//! costs no more than adding to a cold one. It becomes a single word again when it is set or
//! removed.

#![allow(unsafe_code)]

use super::array::is_live;
use super::count_word::{
    CountWord, INT, MAX_CELL_ADD, Overflow, StripedCount, count_word, is_striped, number, pack,
    striped, unpack,
};
use super::search::{CompareKeys, Query, Search};
use super::shard::TableAllocError;
use super::{Table, UpdateOutcome};
use crate::owned::{Counted, Owned};
use crate::slot::RawSlot;

/// Collisions after which a count becomes striped.
const MAX_COLLISIONS: u32 = 2;

/// A concurrent map from keys to counts of 62 bits.
pub struct CounterMap<K: Counted> {
    table: Table<K, CountWord>,
}

impl<K: Counted> CounterMap<K> {
    /// Creates an empty map with `shards` shards.
    pub fn new(shards: usize) -> Self {
        Self { table: Table::new(shards) }
    }

    /// Returns the key's count.
    pub fn get<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<Option<i64>, CompareKeys<K>> {
        // SAFETY: inside the table.
        self.table.with_entry(query, search, |_, word| Some(unsafe { number(word) }))
    }

    /// Adds `n` to the key's count. Returns `None` if the key is absent.
    pub fn add<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        n: i64,
    ) -> Result<Option<Result<(), Overflow>>, CompareKeys<K>> {
        let mut collisions = 0;
        self.table.with_entry(query, search, |entry, word| {
            if is_striped(word) {
                // SAFETY: inside the table.
                if (-MAX_CELL_ADD..MAX_CELL_ADD).contains(&n) && unsafe { striped(word) }.add(n) {
                    return Some(Ok(()));
                }
                collapse(&entry.value, word);
                return None;
            }
            let sum = match unpack(word).checked_add(n).ok_or(Overflow).and_then(pack) {
                Ok(sum) => sum,
                Err(overflow) => return Some(Err(overflow)),
            };
            if collisions < MAX_COLLISIONS {
                collisions += 1;
                return entry.value.compare_exchange(word, sum).ok().map(|_| Ok(()));
            }
            let count = Box::into_raw(StripedCount::new(unpack(sum)));
            if entry.value.compare_exchange(word, count as usize as u64).is_ok() {
                return Some(Ok(()));
            }
            // SAFETY: from a box, and never published.
            drop(unsafe { Box::from_raw(count) });
            None
        })
    }

    /// Sets the key's count and returns the previous one. Returns `None` if the key is absent.
    pub fn replace<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        n: i64,
    ) -> Result<Option<i64>, CompareKeys<K>> {
        let new = pack(n).unwrap_or(INT);
        self.table.with_entry(query, search, |entry, word| {
            if is_striped(word) {
                collapse(&entry.value, word);
                return None;
            }
            entry.value.compare_exchange(word, new).ok().map(unpack)
        })
    }

    /// Adds a key with its first count. Returns false if the key must be searched for again: see
    /// [`Table::insert`].
    pub fn insert(
        &self,
        search: &Search<K>,
        key: Owned<K>,
        n: i64,
    ) -> Result<bool, TableAllocError> {
        Ok(self.table.insert(search, key, count_word(n))?.is_none())
    }

    /// Returns true if a count can have the value `n`.
    pub fn fits(n: i64) -> bool {
        pack(n).is_ok()
    }

    /// Removes the key. Returns it with its count, or `None` if it is absent.
    pub fn remove<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<Option<(Owned<K>, i64)>, CompareKeys<K>> {
        loop {
            let number = self.table.with_entry(query, search, |entry, word| {
                if is_striped(word) {
                    collapse(&entry.value, word);
                    return None;
                }
                Some(count_word(unpack(word)))
            })?;
            let Some(number) = number else { return Ok(None) };
            if let UpdateOutcome::Done((key, number)) =
                self.table.remove(query, search, Some(&number))?
            {
                return Ok(Some((key, unpack(number.as_raw()))));
            }
        }
    }

    /// Copies the keys and counts of shard `index`.
    pub fn entries(&self, index: usize) -> Result<Vec<(Owned<K>, i64)>, TableAllocError> {
        self.table.entries_with(index, |slot| {
            let word = slot.peek();
            // SAFETY: inside the table.
            is_live(word).then(|| unsafe { number(word) })
        })
    }

    /// Removes all counts and returns their keys.
    pub fn drain(&self) -> Result<Vec<Owned<K>>, TableAllocError> {
        Ok(self.table.drain()?.into_iter().map(|(key, _)| key).collect())
    }

    /// Calls `visit` with every key, for the garbage collector.
    ///
    /// # Safety
    /// No other thread uses the map during the call, and neither does `visit`.
    pub unsafe fn for_each<E>(
        &self,
        mut visit: impl FnMut(&Owned<K>) -> Result<(), E>,
    ) -> Result<(), E> {
        // SAFETY: the caller's contract.
        unsafe { self.table.for_each(|key, _| visit(key)) }
    }

    /// Returns true if the key has a count.
    pub fn contains<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<bool, CompareKeys<K>> {
        self.table.contains(query, search)
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns the number of shards.
    pub fn shards(&self) -> usize {
        self.table.shards()
    }
}

/// Replaces a striped count by its sum.
fn collapse(slot: &RawSlot, word: u64) {
    // SAFETY: inside the table.
    let total = unsafe { striped(word) }.close();
    if slot.compare_exchange(word, pack(total).unwrap_or(INT)).is_ok() {
        // SAFETY: this thread removed it from the table.
        unsafe { CountWord::release(word) };
    }
}
