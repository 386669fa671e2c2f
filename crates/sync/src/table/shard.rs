//! A shard: the current array, and the lock for adding to it or replacing it. All other operations
//! only read the shard's cache line.

#![allow(unsafe_code)]

use super::array::{Array, MOVED, TOMBSTONE, limit};
use super::reclaim::EpochGuard;
use crate::primitive::atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicUsize, Ordering};
use crate::primitive::{hint, thread};

/// There is no memory for another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableAllocError;

const MIN_CAPACITY: usize = if cfg!(loom) { 2 } else { 4 };
/// An array grows to at least this capacity once it must be replaced, however few keys are left.
const MIN_REPLACED_CAPACITY: usize = if cfg!(loom) { 2 } else { 64 };
const SPIN_LIMIT: u32 = 64;

#[derive(Default)]
#[repr(align(64))]
pub(super) struct Shard {
    /// The current array, or null. Published with AcqRel under the lock, read with Acquire under an
    /// epoch guard.
    array: AtomicPtr<Array>,
    /// Number of live entries. Raised before an entry is published, so it is never too low. AcqRel.
    live: AtomicIsize,
    /// Number of entries of the array ever used, removed ones included. Relaxed: accessed by the
    /// lock's holder only.
    used: AtomicUsize,
    /// Hint: index of the entry that [`Shard::pop_from`] found last. Lower indices are probably
    /// empty. Relaxed.
    pop_hint: AtomicUsize,
    /// A spin lock: taken with Acquire, released with Release.
    locked: AtomicBool,
}

/// EpochGuard of the shard's lock.
pub(super) struct ShardGuard<'a>(&'a Shard);

impl Drop for ShardGuard<'_> {
    fn drop(&mut self) {
        self.0.locked.store(false, Ordering::Release);
    }
}

/// Spins, and yields to other threads after [`SPIN_LIMIT`] turns.
pub(super) fn back_off(turns: &mut u32) {
    *turns += 1;
    if *turns < SPIN_LIMIT && !cfg!(loom) {
        hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

impl Shard {
    /// Returns the current array.
    #[inline]
    pub(super) fn array<'g>(&self, _guard: &'g EpochGuard) -> Option<&'g Array> {
        // SAFETY: null, or from a box that is freed only after every guard that could have seen it
        // is gone.
        unsafe { self.array.load(Ordering::Acquire).as_ref() }
    }

    /// Takes the current array out. For a caller with exclusive access to the table.
    pub(super) fn take_array(&self) -> Option<Box<Array>> {
        let array = self.array.swap(std::ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: from a box, and no other thread has it.
        (!array.is_null()).then(|| unsafe { Box::from_raw(array) })
    }

    /// Returns the number of live entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.live.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Subtracts removed entries from the count.
    #[inline]
    pub(super) fn subtract_live(&self, removed: usize) {
        self.live.fetch_sub(removed as isize, Ordering::AcqRel);
    }

    /// Removes any one entry of `array`, searching from the last hit and then from the start.
    pub(super) fn pop_from(&self, array: &Array) -> Option<(u64, u64)> {
        let entries = array.entries();
        let from = self.pop_hint.load(Ordering::Relaxed).min(entries.len());
        let (before, after) = entries.split_at(from);
        for (index, entry) in after.iter().enumerate() {
            if let Some(taken) = entry.take(TOMBSTONE) {
                self.pop_hint.store(from + index, Ordering::Relaxed);
                self.subtract_live(1);
                return Some(taken);
            }
        }
        let (index, taken) =
            before.iter().enumerate().find_map(|(i, e)| e.take(TOMBSTONE).map(|t| (i, t)))?;
        self.pop_hint.store(index, Ordering::Relaxed);
        self.subtract_live(1);
        Some(taken)
    }

    /// Takes the lock. Holders run a bounded number of instructions and call no foreign code.
    pub(super) fn lock(&self) -> ShardGuard<'_> {
        let mut turns = 0;
        let take =
            || self.locked.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Polls with a load first, so that waiting threads share the cache line. Loom could return
        // a stale value to such a load forever.
        while (!cfg!(loom) && self.locked.load(Ordering::Relaxed)) || take().is_err() {
            back_off(&mut turns);
        }
        ShardGuard(self)
    }

    /// Waits until array `id` is no longer current: another thread is about to publish its
    /// successor.
    #[cold]
    pub(super) fn wait_until_replaced(&self, id: u64, guard: &EpochGuard) {
        let mut turns = 0;
        while self.array(guard).is_some_and(|array| array.id == id) {
            back_off(&mut turns);
        }
    }
}

impl ShardGuard<'_> {
    /// Fills the entry at `index` of array `id`. Returns false if the entry is in use or the array
    /// is no longer current: the caller then continues its search. Replaces a full array first, and
    /// returns false then too.
    pub(super) fn fill(
        &self,
        (id, index): (u64, usize),
        [hash, key, value]: [u64; 3],
        guard: &EpochGuard,
    ) -> Result<bool, TableAllocError> {
        let shard = self.0;
        let array = shard.array(guard);
        if array.map_or(0, |array| array.id) != id {
            return Ok(false);
        }
        let used = shard.used.load(Ordering::Relaxed);
        let Some(array) = array.filter(|array| used < array.limit()) else {
            self.replace_array(guard)?;
            return Ok(false);
        };
        let entry = array.entry_at(index);
        if entry.key.peek() != 0 {
            return Ok(false);
        }
        shard.live.fetch_add(1, Ordering::AcqRel);
        shard.used.store(used + 1, Ordering::Relaxed);
        entry.fill(hash, key, value);
        Ok(true)
    }

    /// Moves the live entries to a new array, which may be larger, smaller or, without the removed
    /// entries, of the same size.
    fn replace_array(&self, guard: &EpochGuard) -> Result<(), TableAllocError> {
        let shard = self.0;
        let live = shard.len();
        let mut capacity = MIN_CAPACITY;
        // At least half of the usable entries are free afterwards, so the amortized cost of moving
        // is constant per insertion.
        while limit(capacity) < (live + 1).saturating_mul(2) - live / 2 {
            capacity = capacity.checked_mul(2).ok_or(TableAllocError)?;
        }
        // If keys come and go, a small array would fill up with removed entries after a few
        // operations.
        let before = shard.array(guard).map_or(0, |old| old.entries().len());
        capacity = capacity.max(before.saturating_mul(2).min(MIN_REPLACED_CAPACITY));
        let new = Array::new(capacity).map_err(|_| TableAllocError)?;
        let mut used = 0;
        if let Some(old) = shard.array(guard) {
            for entry in old.entries() {
                if let Some((key, value)) = entry.take(MOVED) {
                    new.insert_new(entry.hash(), key, value);
                    used += 1;
                }
            }
        }
        shard.used.store(used, Ordering::Relaxed);
        self.publish(Box::into_raw(new), guard);
        Ok(())
    }

    /// Leaves the shard without an array. The caller must take out what the old one holds; it lives
    /// as long as the guard.
    pub(super) fn detach<'g>(&self, guard: &'g EpochGuard) -> Option<&'g Array> {
        let old = self.0.array(guard);
        self.0.used.store(0, Ordering::Relaxed);
        self.publish(std::ptr::null_mut(), guard);
        old
    }

    fn publish(&self, new: *mut Array, guard: &EpochGuard) {
        let old = self.0.array.swap(new, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: from a box, and no longer reachable. Its counts are taken out by the caller
            // of `detach` before its guard ends, or have been moved by `replace_array`.
            unsafe { guard.retire(old) };
        }
    }
}
