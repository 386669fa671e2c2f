//! Going over everything, a shard at a time: what a shard holds is copied out at once, so that
//! nothing can be met twice, however often the shard moves afterwards.

#![allow(unsafe_code)]

use super::array::{Array, MOVED, is_live, owned};
use super::{Full, Table, Taken, reclaim};
use crate::owned::{Counted, Owned};
use crate::slot::RawSlot;

impl<K: Counted, V: Counted> Table<K, V> {
    /// The entries of the `index`th shard, copied: all that are there during the call, each once,
    /// and of those that come or go during it perhaps some.
    pub fn entries(&self, index: usize) -> Result<Vec<Taken<K, V>>, Full> {
        let mut spare = Vec::new();
        self.entries_by(index, |slot| load(slot, &mut spare))
    }

    /// The same, with what `read` makes of a value's slot. It runs under a lock.
    pub(super) fn entries_by<T>(
        &self,
        index: usize,
        mut read: impl FnMut(&RawSlot) -> Option<T>,
    ) -> Result<Vec<(Owned<K>, T)>, Full> {
        let shard = &self.shards[index];
        // What was read in vain is dropped when the lock is released and the guard is gone.
        let (mut entries, mut spare_keys, mut spare_values) = (Vec::new(), Vec::new(), Vec::new());
        if shard.len() != 0 {
            let guard = reclaim::pin();
            entries.try_reserve(shard.len()).map_err(|_| Full)?;
            // Keeps keys from being added and the array from being replaced.
            let _held = shard.lock();
            for entry in shard.array(&guard).map_or(&[][..], Array::entries) {
                if entry.key.peek() == 0 {
                    continue;
                }
                let Some(value) = read(&entry.value) else { continue };
                match load(&entry.key, &mut spare_keys) {
                    None => spare_values.push(value),
                    Some(key) => entries.push((key, value)),
                }
            }
        }
        Ok(entries)
    }

    /// Takes out everything, shard after shard, each at once.
    pub fn drain(&self) -> Result<Vec<Taken<K, V>>, Full> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let guard = reclaim::pin();
            taken.try_reserve(shard.len()).map_err(|_| Full)?;
            let old = shard.lock().detach(&guard);
            // Those who are still at the old array came before it was taken away, and count as
            // having been first.
            let before = taken.len();
            let entries =
                old.map_or(&[][..], Array::entries).iter().filter_map(|entry| entry.take(MOVED));
            // SAFETY: `take` gave both counts.
            taken.extend(entries.map(|entry| unsafe { owned::<K, V>(entry) }));
            shard.forget(taken.len() - before);
        }
        Ok(taken)
    }

    /// Takes any one entry out. Looks at the shards from the `start`th on.
    pub fn pop(&self, start: usize) -> Option<Taken<K, V>> {
        for turn in 0..self.shards.len() {
            let shard = &self.shards[start.wrapping_add(turn) & (self.shards.len() - 1)];
            let guard = reclaim::pin();
            while shard.len() != 0
                && let Some(array) = shard.array(&guard)
            {
                if let Some(taken) = shard.pop_from(array) {
                    // SAFETY: the shard gave up both counts.
                    return Some(unsafe { owned(taken) });
                }
                // Nothing in this array: nothing at all, unless it has been replaced meanwhile.
                if shard.array(&guard).is_some_and(|now| now.id == array.id) {
                    break;
                }
            }
        }
        None
    }

    /// Shows every key and value, for the collector.
    ///
    /// # Safety
    /// No other thread uses the table during the call, and `show` does not either.
    pub unsafe fn each<E>(
        &self,
        mut show: impl FnMut(&Owned<K>, &Owned<V>) -> Result<(), E>,
    ) -> Result<(), E> {
        let guard = reclaim::pin();
        for shard in &self.shards {
            for entry in shard.array(&guard).map_or(&[][..], Array::entries) {
                let (key, value) = (entry.key.peek(), entry.value.peek());
                if is_live(value) {
                    // SAFETY: the table owns the counts of an entry that is live, and nobody takes
                    // it out.
                    unsafe {
                        Owned::show(key, |key| Owned::show(value, |value| show(key, value)))
                    }?;
                }
            }
        }
        Ok(())
    }
}

/// [`RawSlot::load`] of a live word, for under a lock: a count raised in vain goes to `spare`, to
/// be released later.
fn load<C: Counted>(slot: &RawSlot, spare: &mut Vec<Owned<C>>) -> Option<Owned<C>> {
    loop {
        let word = slot.peek();
        if !is_live(word) {
            return None;
        }
        // SAFETY: this thread loaded the word from this slot just now; a count that was raised is
        // the result's.
        let retained = unsafe { C::try_retain(word).then(|| Owned::from_raw(word)) };
        if slot.peek() == word && retained.is_some() {
            return retained;
        }
        spare.extend(retained);
        crate::prim::hint::spin_loop();
    }
}
