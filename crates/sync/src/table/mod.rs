//! A concurrent hash map. A read takes no lock and writes nothing but the value's own count.
//! Replacing a value is one compare-and-swap on its entry, and removing a key writes the entry's
//! two words. Only adding a key takes a lock, one of many, for a few instructions.
//!
//! The map sees keys and values as words only ([`crate::owned`]). It returns words it gives up or
//! rejects to the caller, who drops them outside of every lock. Each operation on one key is
//! atomic; operations on several keys are not.

#![allow(unsafe_code)]

mod array;
mod count_word;
mod counter_map;
mod reclaim;
mod scan;
mod search;
mod shard;
#[cfg(test)]
mod tests;

pub use count_word::Overflow;
pub use counter_map::CounterMap;
pub use search::{CompareKeys, KeyComparison, Query, Search};
pub use shard::TableAllocError;

use crate::owned::{Counted, Owned};
use array::{Entry, MOVED, TOMBSTONE, is_live, owned};
use search::Lookup;
use shard::Shard;
use std::marker::PhantomData;
/// Result of a conditional change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome<T> {
    /// The change was made.
    Done(T),
    /// The key has another value than expected.
    Mismatch,
    /// The key is not in the table.
    Absent,
}

/// An entry that was removed or copied.
pub type OwnedEntry<K, V> = (Owned<K>, Owned<V>);

/// The map. `K` and `V` define how the words of keys and values are counted.
pub struct Table<K: Counted, V: Counted> {
    shards: Box<[Shard]>,
    shift: u32,
    counted: PhantomData<fn(K, V)>,
}

impl<K: Counted, V: Counted> Table<K, V> {
    /// Creates an empty table of `shards` shards, rounded up to a power of two. An empty shard
    /// takes one cache line.
    pub fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, 1 << 16).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            shift: 63 - shards.trailing_zeros(),
            counted: PhantomData,
        }
    }

    #[inline]
    fn shard(&self, search: &Search<K>) -> &Shard {
        // Shifted twice, because shifting by 64 at once is undefined, and one shard needs that.
        &self.shards[(search.hash >> 1 >> self.shift) as usize & (self.shards.len() - 1)]
    }

    /// Calls `work` with the key's entry and its current value, which is passed without a count.
    /// Calls it again while it returns `None`.
    #[inline(always)]
    fn with_entry<Q: Query<K>, R>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        mut work: impl FnMut(&Entry, u64) -> Option<R>,
    ) -> Result<Option<R>, CompareKeys<K>> {
        let shard = self.shard(search);
        let guard = reclaim::pin();
        loop {
            let Lookup::Entry(entry) = search::find::<K, Q>(shard, query, search, &guard)? else {
                return Ok(None);
            };
            loop {
                match entry.value.peek() {
                    TOMBSTONE => {
                        search.skip();
                        break;
                    }
                    MOVED => {
                        shard.wait_until_replaced(search.next.0, &guard);
                        break;
                    }
                    value => {
                        if let Some(result) = work(entry, value) {
                            return Ok(Some(result));
                        }
                    }
                }
            }
        }
    }

    /// Returns the key's value.
    #[inline]
    pub fn get<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<Option<Owned<V>>, CompareKeys<K>> {
        self.with_entry(query, search, |entry, _| {
            // SAFETY: an entry's value is counted as `V` says, or is a mark.
            let value = unsafe { entry.value.load::<V>() };
            // SAFETY: a live value, whose count `load` raised.
            is_live(value).then(|| unsafe { Owned::from_raw(value) })
        })
    }

    /// Returns true if the key is in the table.
    #[inline]
    pub fn contains<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<bool, CompareKeys<K>> {
        Ok(self.with_entry(query, search, |_, _| Some(()))?.is_some())
    }

    /// Swaps `value` with the key's value. Returns false if the key is absent.
    #[inline]
    pub fn replace<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        value: &mut Owned<V>,
    ) -> Result<bool, CompareKeys<K>> {
        let done =
            self.with_entry(query, search, |entry, old| Self::exchange(entry, old, value))?;
        Ok(done.is_some())
    }

    /// As [`Self::replace`], if the key's value is `expected`. The caller holds a count of
    /// `expected`, so its word cannot be reused for another object.
    #[inline]
    pub fn compare_exchange<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        expected: &Owned<V>,
        value: &mut Owned<V>,
    ) -> Result<UpdateOutcome<()>, CompareKeys<K>> {
        let done = self.with_entry(query, search, |entry, old| {
            if old != expected.as_raw() {
                return Some(UpdateOutcome::Mismatch);
            }
            Self::exchange(entry, old, value).map(UpdateOutcome::Done)
        })?;
        Ok(done.unwrap_or(UpdateOutcome::Absent))
    }

    /// Swaps `value` with the live value `old`, if the entry still holds it.
    #[inline(always)]
    fn exchange(entry: &Entry, old: u64, value: &mut Owned<V>) -> Option<()> {
        entry.value.compare_exchange(old, value.as_raw()).ok()?;
        // SAFETY: the table gives up its count of the old value.
        let old = unsafe { Owned::from_raw(old) };
        // The table now owns the count of the new value.
        std::mem::replace(value, old).into_raw();
        Some(())
    }

    /// Removes the key if its value is `expected`, or unconditionally.
    #[inline]
    pub fn remove<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        expected: Option<&Owned<V>>,
    ) -> Result<UpdateOutcome<OwnedEntry<K, V>>, CompareKeys<K>> {
        let expected = expected.map_or(0, Owned::as_raw);
        let done = self.with_entry(query, search, |entry, old| {
            if expected != 0 && old != expected {
                return Some(UpdateOutcome::Mismatch);
            }
            let value = entry.value.compare_exchange(old, TOMBSTONE).ok()?;
            // SAFETY: the thread that ends a value's life owns the key; the table gives up both
            // counts.
            Some(UpdateOutcome::Done(unsafe { owned((entry.key.swap(TOMBSTONE), value)) }))
        })?;
        if let Some(UpdateOutcome::Done(_)) = done {
            self.shard(search).subtract_live(1);
        }
        Ok(done.unwrap_or(UpdateOutcome::Absent))
    }

    /// Adds the key after a search that has just found nothing. Returns the value if the key must
    /// be searched for again, from the current state of `search`.
    pub fn insert(
        &self,
        search: &Search<K>,
        key: Owned<K>,
        value: Owned<V>,
    ) -> Result<Option<Owned<V>>, TableAllocError> {
        let filled = {
            let guard = reclaim::pin();
            let words = [search.hash, key.as_raw(), value.as_raw()];
            self.shard(search).lock().fill(search.next, words, &guard)?
        };
        if !filled {
            return Ok(Some(value));
        }
        // The table now owns both counts.
        key.into_raw();
        value.into_raw();
        Ok(None)
    }

    /// Returns the number of keys. Exact while no thread adds or removes.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.len() == 0)
    }

    /// Returns the number of shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }
}

impl<K: Counted, V: Counted> Drop for Table<K, V> {
    fn drop(&mut self) {
        for shard in &self.shards {
            if let Some(array) = shard.take_array() {
                // SAFETY: the table is being dropped, so no other thread uses it.
                unsafe { array.release::<K, V>() };
            }
        }
    }
}
