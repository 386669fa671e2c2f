//! A map for many threads. Reading takes no lock and writes nothing but the value's own count;
//! replacing a value is one compare-and-exchange on its place; removing is two words of the entry.
//! Only adding a key takes a lock, one of many, for a few instructions.
//!
//! The map knows neither keys nor values but as words ([`crate::owned`]). What it gives up or
//! refuses is the caller's, to be dropped outside of every lock. Each operation on a key is atomic.
//! Over several keys, nothing is.

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
pub use shard::Full;
pub use tally::{Overflow, Tally};

use crate::owned::{Counted, Owned};
use array::{DEAD, Entry, MOVED, is_live, owned};
use search::Found;
use shard::Shard;
use std::marker::PhantomData;

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

/// An entry that was taken out, or copied.
pub type Taken<K, V> = (Owned<K>, Owned<V>);

/// The map. `K` and `V` say how the words of keys and values are counted.
pub struct Table<K: Counted, V: Counted> {
    shards: Box<[Shard]>,
    shift: u32,
    counted: PhantomData<fn(K, V)>,
}

impl<K: Counted, V: Counted> Table<K, V> {
    /// An empty table of `shards` parts, rounded up to a power of two. Each is a cache line as long
    /// as it is empty.
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
        // Twice, because shifting by 64 at once is not defined: with one shard, that is what must
        // be done.
        &self.shards[(search.hash >> 1 >> self.shift) as usize & (self.shards.len() - 1)]
    }

    /// Does `work` at the key's entry: it gets the entry and the value seen there, without a count,
    /// and is asked again if it gives nothing.
    #[inline(always)]
    fn at<Q: Query<K>, R>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        mut work: impl FnMut(&Entry, u64) -> Option<R>,
    ) -> Result<Option<R>, Ask<K>> {
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

    /// The key's value.
    #[inline]
    pub fn get<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<Option<Owned<V>>, Ask<K>> {
        self.at(query, search, |entry, _| {
            // SAFETY: an entry's value is counted as `V` says, or a mark.
            let value = unsafe { entry.value.load::<V>() };
            // SAFETY: a live value, of which `load` gave a count.
            is_live(value).then(|| unsafe { Owned::from_raw(value) })
        })
    }

    /// Whether the key is there.
    #[inline]
    pub fn contains<Q: Query<K>>(&self, query: &Q, search: &mut Search<K>) -> Result<bool, Ask<K>> {
        Ok(self.at(query, search, |_, _| Some(()))?.is_some())
    }

    /// Exchanges `value` for the key's value, if it has one; returns whether it had.
    #[inline]
    pub fn replace<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        value: &mut Owned<V>,
    ) -> Result<bool, Ask<K>> {
        let done = self.at(query, search, |entry, old| Self::exchange(entry, old, value))?;
        Ok(done.is_some())
    }

    /// As [`Self::replace`], if the key's value is `expected`, of which the caller holds a count,
    /// so that no other can be taken for it.
    #[inline]
    pub fn compare_exchange<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        expected: &Owned<V>,
        value: &mut Owned<V>,
    ) -> Result<Outcome<()>, Ask<K>> {
        let done = self.at(query, search, |entry, old| {
            if old != expected.as_raw() {
                return Some(Outcome::Other);
            }
            Self::exchange(entry, old, value).map(Outcome::Done)
        })?;
        Ok(done.unwrap_or(Outcome::Absent))
    }

    /// Exchanges `value` for `old`, a live value, if the entry still has it.
    #[inline(always)]
    fn exchange(entry: &Entry, old: u64, value: &mut Owned<V>) -> Option<()> {
        entry.value.compare_exchange(old, value.as_raw()).ok()?;
        // SAFETY: the table gives up its count of the old value.
        let old = unsafe { Owned::from_raw(old) };
        // The table has taken over the count of the new one.
        std::mem::replace(value, old).into_raw();
        Some(())
    }

    /// Removes the key, if its value is `expected` or nothing is expected.
    #[inline]
    pub fn remove<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        expected: Option<&Owned<V>>,
    ) -> Result<Outcome<Taken<K, V>>, Ask<K>> {
        let expected = expected.map_or(0, Owned::as_raw);
        let done = self.at(query, search, |entry, old| {
            if expected != 0 && old != expected {
                return Some(Outcome::Other);
            }
            let value = entry.value.compare_exchange(old, DEAD).ok()?;
            // SAFETY: whoever ends a value's life owns the key; the table gives up both counts.
            Some(Outcome::Done(unsafe { owned((entry.key.swap(DEAD), value)) }))
        })?;
        if let Some(Outcome::Done(_)) = done {
            self.shard(search).forget(1);
        }
        Ok(done.unwrap_or(Outcome::Absent))
    }

    /// Adds the key after a search for it that has just found nothing. Gives the value back if the
    /// key must be looked for again, from where the search is.
    pub fn insert(
        &self,
        search: &Search<K>,
        key: Owned<K>,
        value: Owned<V>,
    ) -> Result<Option<Owned<V>>, Full> {
        let filled = {
            let guard = reclaim::pin();
            let words = [search.hash, key.as_raw(), value.as_raw()];
            self.shard(search).lock().fill(search.next, words, &guard)?
        };
        if !filled {
            return Ok(Some(value));
        }
        // The table has taken over both counts.
        key.into_raw();
        value.into_raw();
        Ok(None)
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
