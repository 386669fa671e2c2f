//! A map for many threads. Reading takes no lock and writes nothing but the value's own count; replacing a value is one
//! compare-and-exchange on its place; removing is two words of the entry. Only adding a key takes a lock, one of many, for a few instructions.
//!
//! The map knows neither keys nor values but as words ([`crate::slot`]). All that it returns carries a count that is the caller's
//! to release, outside of every lock. Each operation on a key is atomic. Over several keys, nothing is.

#![allow(unsafe_code)]

mod array;
mod reclaim;
mod scan;
mod search;
mod shard;
mod tally;
#[cfg(test)]
mod tests;

pub use search::{Ask, Query, Search, Verdict};
pub use tally::{Overflow, Tally};

use crate::slot::Counted;
use array::{DEAD, Entry, MOVED, is_live};
use search::Found;
use shard::Shard;
use std::marker::PhantomData;

/// There is no memory for one more entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What became of a change that depends on what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was made.
    Done(T),
    /// Something else is there.
    Other,
    /// Nothing is there.
    Absent,
}

/// The map. `K` and `V` say how the words of keys and values are counted. A word with both low bits set is no key and no value.
pub struct Table<K: Counted, V: Counted> {
    shards: Box<[Shard]>,
    shift: u32,
    counted: PhantomData<fn(K, V)>,
}

impl<K: Counted, V: Counted> Table<K, V> {
    /// An empty table of `shards` parts, rounded up to a power of two. Each is a cache line as long as it is empty.
    pub fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, 1 << 16).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            shift: 63 - shards.trailing_zeros(),
            counted: PhantomData,
        }
    }

    #[inline]
    fn shard(&self, search: &Search) -> &Shard {
        // Twice, because shifting by 64 at once is not defined: with one shard, that is what must be done.
        &self.shards[(search.hash >> 1 >> self.shift) as usize & (self.shards.len() - 1)]
    }

    /// Does `work` at the key's entry: it gets the entry and the value seen there, without a count, and is asked again if it gives nothing.
    #[inline(always)]
    fn at<Q: Query, R>(
        &self,
        query: &Q,
        search: &mut Search,
        mut work: impl FnMut(&Entry, u64) -> Option<R>,
    ) -> Result<Option<R>, Ask> {
        let shard = self.shard(search);
        let guard = reclaim::pin();
        loop {
            let Found::Here(entry) = search::find::<K, Q>(shard, query, search, &guard)? else {
                return Ok(None);
            };
            loop {
                match entry.value.peek() {
                    DEAD => {
                        search.pass();
                        break;
                    }
                    MOVED => {
                        shard.wait_past(search.next.0, &guard);
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

    /// The key's value, or 0.
    #[inline]
    pub fn get<Q: Query>(&self, query: &Q, search: &mut Search) -> Result<u64, Ask> {
        let found =
            self.at(query, search, |entry, _| Some(entry.value.load::<V>()).filter(|v| is_live(*v)))?;
        Ok(found.unwrap_or(0))
    }

    /// Whether the key is there.
    #[inline]
    pub fn contains<Q: Query>(&self, query: &Q, search: &mut Search) -> Result<bool, Ask> {
        Ok(self.at(query, search, |_, _| Some(()))?.is_some())
    }

    /// Replaces the key's value, if it has one, and returns what it was, or 0: then `value` is the caller's still.
    #[inline]
    pub fn replace<Q: Query>(&self, query: &Q, search: &mut Search, value: u64) -> Result<u64, Ask> {
        let work = |entry: &Entry, old| entry.value.compare_exchange(old, value).ok();
        Ok(self.at(query, search, work)?.unwrap_or(0))
    }

    /// Replaces the value if it is `expected`, of which the caller holds a count, so that no other can be taken for it. Returns the table's count of it.
    pub fn compare_exchange<Q: Query>(
        &self,
        query: &Q,
        search: &mut Search,
        expected: u64,
        value: u64,
    ) -> Result<Outcome<u64>, Ask> {
        let done = self.at(query, search, |entry, old| {
            if old != expected {
                return Some(Outcome::Other);
            }
            entry.value.compare_exchange(expected, value).ok().map(Outcome::Done)
        })?;
        Ok(done.unwrap_or(Outcome::Absent))
    }

    /// Removes the key, if its value is `expected` (any, if that is 0): the key's count and the value's.
    pub fn remove<Q: Query>(
        &self,
        query: &Q,
        search: &mut Search,
        expected: u64,
    ) -> Result<Outcome<(u64, u64)>, Ask> {
        let done = self.at(query, search, |entry, old| {
            if expected != 0 && old != expected {
                return Some(Outcome::Other);
            }
            let value = entry.value.compare_exchange(old, DEAD).ok()?;
            // Whoever ends a value's life owns the key.
            Some(Outcome::Done((entry.key.swap(DEAD), value)))
        })?;
        if let Some(Outcome::Done(_)) = done {
            self.shard(search).forget(1);
        }
        Ok(done.unwrap_or(Outcome::Absent))
    }

    /// Adds the key after a search for it that has just found nothing. False if it must be looked for again, from where the search is.
    /// On true the counts of both words are the table's.
    pub fn insert(&self, search: &Search, key: u64, value: u64) -> Result<bool, Full> {
        let guard = reclaim::pin();
        let shard = self.shard(search);
        shard.lock().fill(search.next, [search.hash, key, value], &guard)
    }

    /// How many keys there are. Exact while nobody adds or removes.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.len() == 0)
    }

    /// How many parts there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }
}

impl<K: Counted, V: Counted> Drop for Table<K, V> {
    fn drop(&mut self) {
        for shard in &self.shards {
            if let Some(array) = shard.take_array() {
                // SAFETY: this is the last that knows of the table.
                unsafe { array.release::<K, V>() };
            }
        }
    }
}
