//! An append-only list. Many threads append without a lock, and the index of an item never changes.
//!
//! An append claims its index with one fetch-and-add and then fills the slot. The slots are in
//! segments, each twice as large as the previous one, so no slot ever moves. **An item is in the
//! list from the moment its index is claimed**: the length includes it from then on, and a reader
//! that finds the slot still empty waits the few instructions until it is filled. So each operation
//! is linearizable, and an append that has returned is visible to every thread at its index.
//!
//! The only step that can fail between the claim and the fill is the allocation of a segment. A
//! claim whose allocation fails is returned, the latest claim first.

#![allow(unsafe_code)]

use crate::owned::{Counted, Owned};
use crate::primitive::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::primitive::{hint::spin_loop, thread::yield_now};
use crate::slot::Slot;
#[cfg(not(loom))]
use crate::zeroed::zeroed_slice;
use crossbeam_utils::CachePadded;
use std::mem::MaybeUninit;
use std::ptr::{null_mut, slice_from_raw_parts_mut};

/// The first segment has 2^5 slots.
const FIRST_SEGMENT_BITS: u32 = if cfg!(loom) { 0 } else { 5 };
const SEGMENTS: usize = if cfg!(loom) { 3 } else { (usize::BITS - FIRST_SEGMENT_BITS) as usize };

/// Returns the segment of `index` and the offset in that segment.
fn locate(index: usize) -> (usize, usize) {
    let from_one = index + (1 << FIRST_SEGMENT_BITS);
    let power = from_one.ilog2();
    ((power - FIRST_SEGMENT_BITS) as usize, from_one - (1 << power))
}

fn size(segment: usize) -> usize {
    1 << (segment as u32 + FIRST_SEGMENT_BITS)
}

/// There is no memory for another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListAllocError;

/// The append-only list.
pub struct AppendList<C: Counted> {
    /// Null until a segment is allocated; then never changes. Published with AcqRel, read with
    /// Acquire.
    segments: Box<[AtomicPtr<Slot<C>>]>,
    /// Number of claimed indices. Changed with AcqRel, read with Acquire. Every append writes it,
    /// so it has a cache line of its own. (It is boxed because the owner of the list may be unable
    /// to align it.)
    claimed: Box<CachePadded<AtomicUsize>>,
}

impl<C: Counted> Default for AppendList<C> {
    fn default() -> Self {
        Self {
            segments: (0..SEGMENTS).map(|_| AtomicPtr::new(null_mut())).collect(),
            claimed: Box::new(CachePadded::new(AtomicUsize::new(0))),
        }
    }
}

impl<C: Counted> AppendList<C> {
    /// Returns the number of items. Every lower index has one.
    #[inline]
    pub fn len(&self) -> usize {
        self.claimed.load(Ordering::Acquire)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends one item and returns its index.
    #[inline]
    pub fn push(&self, item: Owned<C>) -> Result<usize, ListAllocError> {
        let index = self.claim(1)?;
        self.fill(index, 1, [item]);
        Ok(index)
    }

    /// Appends the items at consecutive indices and returns the first. On an error none is
    /// appended.
    pub fn append(&self, items: Vec<Owned<C>>) -> Result<usize, ListAllocError> {
        let first = self.claim(items.len())?;
        self.fill(first, items.len(), items);
        Ok(first)
    }

    /// Claims `count` indices, which the caller must fill at once, and returns the first. Allocates
    /// their segments first, so that filling cannot fail half-way.
    #[inline]
    fn claim(&self, count: usize) -> Result<usize, ListAllocError> {
        let first = self.claimed.fetch_add(count, Ordering::AcqRel);
        if count == 0 {
            return Ok(first);
        }
        let after = first + count;
        for segment in locate(first).0..=locate(after - 1).0 {
            while !self.ensure_segment(segment) {
                // Later claims need this segment too, so they fail as well and are returned first.
                if self
                    .claimed
                    .compare_exchange(after, first, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
                {
                    return Err(ListAllocError);
                }
                yield_now();
            }
        }
        Ok(first)
    }

    /// Fills the `count` indices returned by [`Self::claim`].
    #[inline]
    fn fill(&self, first: usize, count: usize, items: impl IntoIterator<Item = Owned<C>>) {
        for (index, item) in (first..).zip(items) {
            if let Some(slot) = self.raw_slot(index) {
                slot.swap(item);
            }
        }
        // The append that passes the middle of a segment allocates the next one, before anyone
        // needs it.
        if let Some(last) = (first + count).checked_sub(1) {
            let (segment, offset) = locate(last);
            if offset >= size(segment) / 2 && offset - size(segment) / 2 < count && !cfg!(loom) {
                self.ensure_segment(segment + 1);
            }
        }
    }

    /// Returns the filled slot at `index`, or `None` if there is no such item.
    #[inline]
    pub fn slot(&self, index: usize) -> Option<&Slot<C>> {
        match self.raw_slot(index) {
            Some(slot) if !slot.is_empty() => Some(slot),
            _ => self.wait(index),
        }
    }

    /// Waits until the item at `index` is filled in, if the index has been claimed.
    #[cold]
    fn wait(&self, index: usize) -> Option<&Slot<C>> {
        let mut turns = 0_u32;
        while index < self.len() {
            if let Some(slot) = self.raw_slot(index)
                && !slot.is_empty()
            {
                return Some(slot);
            }
            turns += 1;
            if turns < 64 { spin_loop() } else { yield_now() }
        }
        None
    }

    /// Returns the slot at `index`, filled or not.
    #[inline]
    fn raw_slot(&self, index: usize) -> Option<&Slot<C>> {
        let (segment, offset) = locate(index);
        let slots = self.segments.get(segment)?.load(Ordering::Acquire);
        if slots.is_null() {
            return None;
        }
        // SAFETY: a segment has `size(segment)` slots, `offset` is below that, and it lives as long
        // as the list.
        Some(unsafe { &*slots.add(offset) })
    }

    /// Allocates a segment unless it exists. Returns false if there is no memory for it.
    fn ensure_segment(&self, segment: usize) -> bool {
        let Some(entry) = self.segments.get(segment) else { return false };
        if !entry.load(Ordering::Acquire).is_null() {
            return true;
        }
        let Some(slots) = new_segment::<C>(size(segment)) else {
            return !entry.load(Ordering::Acquire).is_null();
        };
        let slots = Box::into_raw(slots).cast::<Slot<C>>();
        if entry.compare_exchange(null_mut(), slots, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: allocated above, and never published.
            unsafe { free_segment(slots, segment) };
        }
        true
    }

    /// Iterates over the filled slots without waiting. Used by the garbage collector while every
    /// other thread is stopped.
    pub fn filled(&self) -> impl Iterator<Item = &Slot<C>> {
        (0..self.len()).filter_map(|index| self.raw_slot(index))
    }

    /// Takes all items out, for the garbage collector. No other thread may use the list meanwhile.
    pub fn take_all(&self) -> Vec<Owned<C>> {
        let len = self.claimed.swap(0, Ordering::AcqRel);
        (0..len).filter_map(|index| self.raw_slot(index)?.take()).collect()
    }
}

#[cfg(not(loom))]
fn new_segment<C: Counted>(len: usize) -> Option<Box<[Slot<C>]>> {
    zeroed_slice(len)
}

#[cfg(loom)]
fn new_segment<C: Counted>(len: usize) -> Option<Box<[Slot<C>]>> {
    Some((0..len).map(|_| Slot::default()).collect())
}

/// Frees a segment without reading its slots, so that pages never touched stay untouched.
///
/// # Safety
/// `slots` is segment number `segment`, allocated by `new_segment`. It is empty and unused.
unsafe fn free_segment<C: Counted>(slots: *mut Slot<C>, segment: usize) {
    let slots = slice_from_raw_parts_mut(slots.cast::<MaybeUninit<Slot<C>>>(), size(segment));
    // SAFETY: the caller's contract; the layout is the same.
    drop(unsafe { Box::from_raw(slots) });
}

impl<C: Counted> Drop for AppendList<C> {
    fn drop(&mut self) {
        for item in (0..self.len()).filter_map(|index| self.raw_slot(index)?.take()) {
            item.dispose();
        }
        for (number, entry) in self.segments.iter().enumerate() {
            let slots = entry.load(Ordering::Acquire);
            if !slots.is_null() {
                // SAFETY: allocated by this list, which has just emptied it and is being dropped.
                unsafe { free_segment(slots, number) };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::owned::uncounted::{Uncounted, own, word};
    use proptest::prelude::*;

    #[test]
    fn locate_crosses_segments_without_gaps() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(31), (0, 31));
        assert_eq!(locate(32), (1, 0));
        assert_eq!(locate(95), (1, 63));
        assert_eq!(locate(96), (2, 0));
    }

    proptest! {
        #[test]
        fn an_items_index_never_changes(runs in proptest::collection::vec(0_usize..200, 1..20)) {
            let list = AppendList::<Uncounted>::default();
            let mut next = 0_usize;
            for run in runs {
                let items = (next..next + run).map(|i| own(i as u64)).collect();
                prop_assert_eq!(list.append(items), Ok(next));
                next += run;
            }
            prop_assert_eq!(list.len(), next);
            for index in 0..next {
                prop_assert_eq!(list.slot(index).map(Slot::peek), Some(word(index as u64)));
            }
            prop_assert!(list.slot(next).is_none());
            prop_assert!(list.slot(usize::MAX / 2).is_none());
        }
    }

    #[test]
    fn concurrent_appends_keep_every_item_and_each_threads_order() {
        let list = AppendList::<Uncounted>::default();
        std::thread::scope(|scope| {
            for thread in 1..=4_u64 {
                let list = &list;
                scope.spawn(move || {
                    for n in 0..5000 {
                        let index = list.push(own(thread << 32 | n)).expect("memory");
                        assert_eq!(list.slot(index).map(Slot::peek), Some(word(thread << 32 | n)));
                    }
                });
            }
            while list.len() < 20_000 {
                assert!(list.len().checked_sub(1).is_none_or(|last| list.slot(last).is_some()));
                yield_now();
            }
        });
        let mut next = [0; 5];
        for index in 0..20_000 {
            let item = list.slot(index).map(Slot::peek).expect("filled") >> 2;
            let of = &mut next[(item >> 32) as usize];
            assert_eq!(item & 0xffff_ffff, *of);
            *of += 1;
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::owned::uncounted::{Uncounted, own, word};
    use loom::sync::Arc;

    /// Two appends both need a new segment while a thread reads every item that the length
    /// includes.
    #[test]
    fn every_item_below_len_is_readable() {
        loom::model(|| {
            let list = Arc::new(AppendList::<Uncounted>::default());
            let other = Arc::clone(&list);
            let thread =
                loom::thread::spawn(move || other.append(vec![own(1), own(2)]).expect("memory"));
            let mine = list.push(own(3)).expect("memory");
            let len = list.len();
            let seen: Vec<_> = (0..len).map(|i| list.slot(i).map(Slot::peek)).collect();
            assert_eq!(seen[mine], Some(word(3)));
            assert!(seen.iter().all(Option::is_some));
            let theirs = thread.join().expect("no panic");
            assert_eq!((list.len(), mine + theirs), (3, if mine == 0 { 1 } else { 2 }));
            assert_eq!(list.slot(theirs + 1).map(Slot::peek), Some(word(2)));
        });
    }
}
