//! Operations on whole shards and on the whole table. A shard's entries are copied out at once, so
//! none is visited twice however often the shard moves afterwards.

#![allow(unsafe_code)]

use super::array::{Array, MOVED, is_live, owned};
use super::{OwnedEntry, Table, TableAllocError, reclaim};
use crate::owned::{Counted, Owned};
use crate::slot::RawSlot;

impl<K: Counted, V: Counted> Table<K, V> {
    /// Copies the entries of shard `index`: each entry that is present throughout the call once,
    /// and possibly some that are added or removed meanwhile.
    pub fn entries(&self, index: usize) -> Result<Vec<OwnedEntry<K, V>>, TableAllocError> {
        let mut surplus = Vec::new();
        self.entries_with(index, |slot| load(slot, &mut surplus))
    }

    /// As [`Self::entries`], with the result of `read` for each value's slot. `read` runs under a
    /// lock.
    pub(super) fn entries_with<T>(
        &self,
        index: usize,
        mut read: impl FnMut(&RawSlot) -> Option<T>,
    ) -> Result<Vec<(Owned<K>, T)>, TableAllocError> {
        let shard = &self.shards[index];
        // Surplus counts are released after the lock is released and the guard is gone.
        let (mut entries, mut surplus_keys, mut surplus_values) =
            (Vec::new(), Vec::new(), Vec::new());
        if shard.len() != 0 {
            let guard = reclaim::pin();
            entries.try_reserve(shard.len()).map_err(|_| TableAllocError)?;
            // Prevents keys from being added and the array from being replaced.
            let _held = shard.lock();
            for entry in shard.array(&guard).map_or(&[][..], Array::entries) {
                if entry.key.peek() == 0 {
                    continue;
                }
                let Some(value) = read(&entry.value) else { continue };
                match load(&entry.key, &mut surplus_keys) {
                    None => surplus_values.push(value),
                    Some(key) => entries.push((key, value)),
                }
            }
        }
        Ok(entries)
    }

    /// Removes and returns all entries. Each shard is emptied atomically, one after another.
    pub fn drain(&self) -> Result<Vec<OwnedEntry<K, V>>, TableAllocError> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let guard = reclaim::pin();
            taken.try_reserve(shard.len()).map_err(|_| TableAllocError)?;
            let old = shard.lock().detach(&guard);
            // Operations still in progress on the old array began before it was detached and count
            // as having happened first.
            let before = taken.len();
            let entries =
                old.map_or(&[][..], Array::entries).iter().filter_map(|entry| entry.take(MOVED));
            // SAFETY: `take` returned both counts.
            taken.extend(entries.map(|entry| unsafe { owned::<K, V>(entry) }));
            shard.subtract_live(taken.len() - before);
        }
        Ok(taken)
    }

    /// Removes and returns any one entry, searching the shards from number `start` on.
    pub fn pop(&self, start: usize) -> Option<OwnedEntry<K, V>> {
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
                // This array is empty, so the shard is, unless the array has been replaced
                // meanwhile.
                if shard.array(&guard).is_some_and(|now| now.id == array.id) {
                    break;
                }
            }
        }
        None
    }

    /// Calls `visit` with every key and value, for the garbage collector.
    ///
    /// # Safety
    /// No other thread uses the table during the call, and neither does `visit`.
    pub unsafe fn for_each<E>(
        &self,
        mut visit: impl FnMut(&Owned<K>, &Owned<V>) -> Result<(), E>,
    ) -> Result<(), E> {
        let guard = reclaim::pin();
        for shard in &self.shards {
            for entry in shard.array(&guard).map_or(&[][..], Array::entries) {
                let (key, value) = (entry.key.peek(), entry.value.peek());
                if is_live(value) {
                    // SAFETY: the table owns the counts of a live entry, and no thread removes it.
                    unsafe {
                        Owned::with_borrowed(key, |key| {
                            Owned::with_borrowed(value, |value| visit(key, value))
                        })
                    }?;
                }
            }
        }
        Ok(())
    }
}

/// Loads a live word with a count, like [`RawSlot::load`], but for use under a lock: a count raised
/// needlessly goes to `surplus`, to be released later.
fn load<C: Counted>(slot: &RawSlot, surplus: &mut Vec<Owned<C>>) -> Option<Owned<C>> {
    loop {
        let word = slot.peek();
        if !is_live(word) {
            return None;
        }
        // SAFETY: this thread has just loaded the word from this slot; the result owns the count
        // raised.
        let retained = unsafe { C::try_retain(word).then(|| Owned::from_raw(word)) };
        if slot.peek() == word && retained.is_some() {
            return retained;
        }
        surplus.extend(retained);
        crate::primitive::hint::spin_loop();
    }
}
