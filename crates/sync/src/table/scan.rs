//! Going over everything, a shard at a time: what a shard holds is copied out at once, so that nothing can be met twice, however
//! often the shard moves afterwards.

#![allow(unsafe_code)]

use super::array::{Array, DEAD, MOVED, is_live};
use super::{Full, Table, reclaim};
use crate::slot::{Counted, Slot};

impl<K: Counted, V: Counted> Table<K, V> {
    /// The entries of the `index`th shard, with counts of their own: all that are there during the call, each once, and of those
    /// that come or go during it perhaps some.
    pub fn entries(&self, index: usize) -> Result<Vec<(u64, u64)>, Full> {
        self.entries_by(index, load::<V>)
    }

    /// The same, with the value that `read` makes of a slot: a word with both low bits set or 0 if there is none. It runs under a lock, and puts words whose
    /// count it raised in vain into the list it is given.
    pub(super) fn entries_by(
        &self,
        index: usize,
        mut read: impl FnMut(&Slot, &mut Vec<u64>) -> u64,
    ) -> Result<Vec<(u64, u64)>, Full> {
        let shard = &self.shards[index];
        let mut entries = Vec::new();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        if shard.len() != 0 {
            let guard = reclaim::pin();
            entries.try_reserve(shard.len()).map_err(|_| Full)?;
            // Keeps keys from being added and the array from being replaced.
            let held = shard.lock();
            for entry in shard.array(&guard).map_or(&[][..], Array::entries) {
                if entry.key.peek() == 0 {
                    continue;
                }
                let value = read(&entry.value, &mut values);
                if !is_live(value) {
                    continue;
                }
                match load::<K>(&entry.key, &mut keys) {
                    DEAD | MOVED => values.push(value),
                    key => entries.push((key, value)),
                }
            }
            drop(held);
        }
        // SAFETY: `load` gave these counts.
        unsafe {
            keys.into_iter().for_each(|word| K::release(word));
            values.into_iter().for_each(|word| V::release(word));
        }
        Ok(entries)
    }

    /// Takes out everything, shard after shard, each at once.
    pub fn drain(&self) -> Result<Vec<(u64, u64)>, Full> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let guard = reclaim::pin();
            taken.try_reserve(shard.len()).map_err(|_| Full)?;
            let old = shard.lock().detach(&guard);
            // Those who are still at the old array came before it was taken away, and count as having been first.
            let before = taken.len();
            taken.extend(old.map_or(&[][..], Array::entries).iter().filter_map(|entry| entry.take(MOVED)));
            shard.forget(taken.len() - before);
        }
        Ok(taken)
    }

    /// Takes any one entry out. Looks at the shards from the `start`th on.
    pub fn pop(&self, start: usize) -> Option<(u64, u64)> {
        for turn in 0..self.shards.len() {
            let shard = &self.shards[start.wrapping_add(turn) & (self.shards.len() - 1)];
            let guard = reclaim::pin();
            while shard.len() != 0
                && let Some(array) = shard.array(&guard)
            {
                if let Some(taken) = shard.pop_from(array) {
                    return Some(taken);
                }
                // Nothing in this array: nothing at all, unless it has been replaced meanwhile.
                if shard.array(&guard).is_some_and(|now| now.id == array.id) {
                    break;
                }
            }
        }
        None
    }

    /// Shows every key and value that is in the table. Meant for when nobody else is inside.
    pub fn each<E>(&self, mut show: impl FnMut(&Slot, &Slot) -> Result<(), E>) -> Result<(), E> {
        let guard = reclaim::pin();
        for shard in &self.shards {
            for entry in shard.array(&guard).map_or(&[][..], Array::entries) {
                if is_live(entry.value.peek()) {
                    show(&entry.key, &entry.value)?;
                }
            }
        }
        Ok(())
    }
}

/// [`Slot::load`], for under a lock: a count raised in vain goes to `spare`, to be released later.
fn load<C: Counted>(slot: &Slot, spare: &mut Vec<u64>) -> u64 {
    loop {
        let word = slot.peek();
        // SAFETY: loaded from this slot by this thread just now.
        let retained = word == 0 || unsafe { C::try_retain(word) };
        if slot.peek() == word && retained {
            return word;
        }
        if retained && word != 0 {
            spare.push(word);
        }
        crate::prim::hint::spin_loop();
    }
}
