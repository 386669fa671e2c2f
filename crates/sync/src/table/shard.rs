//! A part of the table: its present array, and the lock of those who add to it or replace it.
//! Everybody else only reads this line.

#![allow(unsafe_code)]

use super::array::{Array, DEAD, MOVED, limit};
use super::reclaim::Guard;
use crate::prim::atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicUsize, Ordering};
use crate::prim::{hint, thread};

/// There is no memory for one more entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

const SMALLEST: usize = if cfg!(loom) { 2 } else { 4 };
/// What an array may at least grow to, however few its keys.
const CHURNED: usize = if cfg!(loom) { 2 } else { 64 };
const SPINS: u32 = 64;

#[derive(Default)]
#[repr(align(64))]
pub(super) struct Shard {
    array: AtomicPtr<Array>,
    /// How many entries are in the table. Raised before an entry is published, so that it is never
    /// too low.
    live: AtomicIsize,
    /// How many places of the array have been used, the dead among them. Changed by the lock's
    /// holder.
    used: AtomicUsize,
    /// Where [`Shard::pop_from`] last found something: before it there is likely nothing.
    popped: AtomicUsize,
    locked: AtomicBool,
}

/// The lock, held.
pub(super) struct Held<'a>(&'a Shard);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.locked.store(false, Ordering::Release);
    }
}

/// Waits a little, and lets another thread run if that has not been enough.
pub(super) fn back_off(turns: &mut u32) {
    *turns += 1;
    if *turns < SPINS && !cfg!(loom) {
        hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

impl Shard {
    /// The present array.
    #[inline]
    pub(super) fn array<'g>(&self, _guard: &'g Guard) -> Option<&'g Array> {
        // SAFETY: null, or from a box that is given back only after every guard that could have
        // seen it is gone.
        unsafe { self.array.load(Ordering::Acquire).as_ref() }
    }

    /// The present array, for one who has the whole table to itself.
    pub(super) fn take_array(&self) -> Option<Box<Array>> {
        let array = self.array.swap(std::ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: from a box, and nobody else has it.
        (!array.is_null()).then(|| unsafe { Box::from_raw(array) })
    }

    /// How many entries there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.live.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Counts `gone` entries off.
    #[inline]
    pub(super) fn forget(&self, gone: usize) {
        self.live.fetch_sub(gone as isize, Ordering::AcqRel);
    }

    /// Takes out any one entry of `array`, from where the last was on, or else from the start.
    pub(super) fn pop_from(&self, array: &Array) -> Option<(u64, u64)> {
        let entries = array.entries();
        let from = self.popped.load(Ordering::Relaxed).min(entries.len());
        let (before, after) = entries.split_at(from);
        for (index, entry) in after.iter().enumerate() {
            if let Some(taken) = entry.take(DEAD) {
                self.popped.store(from + index, Ordering::Relaxed);
                self.forget(1);
                return Some(taken);
            }
        }
        let (index, taken) =
            before.iter().enumerate().find_map(|(i, e)| e.take(DEAD).map(|t| (i, t)))?;
        self.popped.store(index, Ordering::Relaxed);
        self.forget(1);
        Some(taken)
    }

    /// Takes the lock. Its holders run a bounded number of instructions and call nothing.
    pub(super) fn lock(&self) -> Held<'_> {
        let mut turns = 0;
        let take =
            || self.locked.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Looked at first, so that those who wait share its line; the model checker would let a
        // look be out of date for ever.
        while (!cfg!(loom) && self.locked.load(Ordering::Relaxed)) || take().is_err() {
            back_off(&mut turns);
        }
        Held(self)
    }

    /// Waits until the array `id` is the present one no more: somebody is about to publish the
    /// next.
    #[cold]
    pub(super) fn wait_past(&self, id: u64, guard: &Guard) {
        let mut turns = 0;
        while self.array(guard).is_some_and(|array| array.id == id) {
            back_off(&mut turns);
        }
    }
}

impl Held<'_> {
    /// Fills the place at `index` of array `id`. False if the place is taken, or the array is
    /// another: then the search goes on. Makes room first, where there is none; then the array is
    /// another, too.
    pub(super) fn fill(
        &self,
        (id, index): (u64, usize),
        [hash, key, value]: [u64; 3],
        guard: &Guard,
    ) -> Result<bool, Full> {
        let shard = self.0;
        let array = shard.array(guard);
        if array.map_or(0, |array| array.id) != id {
            return Ok(false);
        }
        let used = shard.used.load(Ordering::Relaxed);
        let Some(array) = array.filter(|array| used < array.limit()) else {
            self.replace(guard)?;
            return Ok(false);
        };
        let entry = array.at(index);
        if entry.key.peek() != 0 {
            return Ok(false);
        }
        shard.live.fetch_add(1, Ordering::AcqRel);
        shard.used.store(used + 1, Ordering::Relaxed);
        entry.fill(hash, key, value);
        Ok(true)
    }

    /// Moves what is alive to a new array: a larger one, one of the same size without the dead, or
    /// a smaller one.
    fn replace(&self, guard: &Guard) -> Result<(), Full> {
        let shard = self.0;
        let live = shard.len();
        let mut capacity = SMALLEST;
        // At least half of what may be used is free again afterwards, so that moving costs each
        // insertion a constant.
        while limit(capacity) < (live + 1).saturating_mul(2) - live / 2 {
            capacity = capacity.checked_mul(2).ok_or(Full)?;
        }
        // Where keys come and go, a small array would be full of the dead after a few.
        let before = shard.array(guard).map_or(0, |old| old.entries().len());
        capacity = capacity.max(before.saturating_mul(2).min(CHURNED));
        let new = Array::new(capacity).map_err(|_| Full)?;
        let mut used = 0;
        if let Some(old) = shard.array(guard) {
            for entry in old.entries() {
                if let Some((key, value)) = entry.take(MOVED) {
                    new.place(entry.hash(), key, value);
                    used += 1;
                }
            }
        }
        shard.used.store(used, Ordering::Relaxed);
        self.publish(Box::into_raw(new), guard);
        Ok(())
    }

    /// Leaves the shard without an array. What the old one holds is the caller's to take out; it
    /// stays as long as the guard.
    pub(super) fn detach<'g>(&self, guard: &'g Guard) -> Option<&'g Array> {
        let old = self.0.array(guard);
        self.0.used.store(0, Ordering::Relaxed);
        self.publish(std::ptr::null_mut(), guard);
        old
    }

    fn publish(&self, new: *mut Array, guard: &Guard) {
        let old = self.0.array.swap(new, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: from a box, and not to be found any more. What it still owns is taken out by
            // the caller of `detach` before its guard goes; `replace` has moved it.
            unsafe { guard.retire(old) };
        }
    }
}
