//! A list that only grows: many threads append without a lock, and an item's index never changes.
//!
//! An append claims its index with one fetch-and-add and then fills the slot. The slots are in
//! segments, each twice as large as the one before, so that nothing ever moves. **The claim is the
//! moment at which the item is in the list**: the length counts it from then on, and whoever asks
//! for it before it is filled waits the few instructions until it is. So each operation takes
//! effect at one instant, and an append that has returned is seen by everyone, at its index.
//!
//! Between the claim and the filling there is only the allocation of a segment. Where that fails,
//! the claim is given back, last one first.

#![allow(unsafe_code)]

use crate::owned::{Counted, Owned};
use crate::prim::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::prim::{hint::spin_loop, thread::yield_now};
use crate::slot::Slot;
#[cfg(not(loom))]
use crate::zeroed::zeros;
use crossbeam_utils::CachePadded;
use std::mem::MaybeUninit;
use std::ptr::{null_mut, slice_from_raw_parts_mut};

/// The first segment has 2^5 slots.
const FIRST: u32 = if cfg!(loom) { 0 } else { 5 };
const SEGMENTS: usize = if cfg!(loom) { 3 } else { (usize::BITS - FIRST) as usize };

/// The segment of `index`, and the place in it.
fn locate(index: usize) -> (usize, usize) {
    let from_one = index + (1 << FIRST);
    let power = from_one.ilog2();
    ((power - FIRST) as usize, from_one - (1 << power))
}

fn size(segment: usize) -> usize {
    1 << (segment as u32 + FIRST)
}

/// There was no memory for another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// The list.
pub struct AppendList<C: Counted> {
    segments: Box<[AtomicPtr<Slot<C>>]>,
    /// How many indices have been given out. Every append writes it, so it has a line of its own.
    /// (Boxed, because whoever holds the list may not be able to align it.)
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
    /// How many items there are: each index below has one.
    #[inline]
    pub fn len(&self) -> usize {
        self.claimed.load(Ordering::Acquire)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends one item and returns its index.
    #[inline]
    pub fn push(&self, item: Owned<C>) -> Result<usize, NoMemory> {
        let index = self.claim(1)?;
        self.fill(index, 1, [item]);
        Ok(index)
    }

    /// Appends the items at consecutive indices and returns the first. On an error none is
    /// appended.
    pub fn append(&self, items: Vec<Owned<C>>) -> Result<usize, NoMemory> {
        let first = self.claim(items.len())?;
        self.fill(first, items.len(), items);
        Ok(first)
    }

    /// Claims `count` indices, which the caller fills at once, and returns the first. Makes the
    /// segments that they are in, so that filling cannot fail half-way.
    #[inline]
    fn claim(&self, count: usize) -> Result<usize, NoMemory> {
        let first = self.claimed.fetch_add(count, Ordering::AcqRel);
        if count == 0 {
            return Ok(first);
        }
        let after = first + count;
        for segment in locate(first).0..=locate(after - 1).0 {
            while !self.provide(segment) {
                // Later claims than this one need this segment too, so they fail as well and are
                // given back first.
                if self
                    .claimed
                    .compare_exchange(after, first, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
                {
                    return Err(NoMemory);
                }
                yield_now();
            }
        }
        Ok(first)
    }

    /// Fills the `count` indices that [`Self::claim`] gave.
    #[inline]
    fn fill(&self, first: usize, count: usize, items: impl IntoIterator<Item = Owned<C>>) {
        for (index, item) in (first..).zip(items) {
            if let Some(slot) = self.place(index) {
                slot.swap(item);
            }
        }
        // The append that passes the middle of a segment makes the next one, ahead of those who
        // need it.
        if let Some(last) = (first + count).checked_sub(1) {
            let (segment, place) = locate(last);
            if place >= size(segment) / 2 && place - size(segment) / 2 < count && !cfg!(loom) {
                self.provide(segment + 1);
            }
        }
    }

    /// The slot of the item at `index`, filled; `None` if there is no such item.
    #[inline]
    pub fn slot(&self, index: usize) -> Option<&Slot<C>> {
        match self.place(index) {
            Some(slot) if !slot.is_empty() => Some(slot),
            _ => self.wait(index),
        }
    }

    /// Waits for the item at `index`, if it has been claimed, to be filled in.
    #[cold]
    fn wait(&self, index: usize) -> Option<&Slot<C>> {
        let mut turns = 0_u32;
        while index < self.len() {
            if let Some(slot) = self.place(index)
                && !slot.is_empty()
            {
                return Some(slot);
            }
            turns += 1;
            if turns < 64 { spin_loop() } else { yield_now() }
        }
        None
    }

    /// The place for `index`, whether filled or not.
    #[inline]
    fn place(&self, index: usize) -> Option<&Slot<C>> {
        let (segment, place) = locate(index);
        let slots = self.segments.get(segment)?.load(Ordering::Acquire);
        if slots.is_null() {
            return None;
        }
        // SAFETY: a segment has `size(segment)` slots, `place` is below that, and it lives as long
        // as the list.
        Some(unsafe { &*slots.add(place) })
    }

    /// Makes a segment if it is not there. False if there is no memory for it.
    fn provide(&self, segment: usize) -> bool {
        let Some(entry) = self.segments.get(segment) else { return false };
        if !entry.load(Ordering::Acquire).is_null() {
            return true;
        }
        let Some(slots) = fresh::<C>(size(segment)) else {
            return !entry.load(Ordering::Acquire).is_null();
        };
        let slots = Box::into_raw(slots).cast::<Slot<C>>();
        if entry.compare_exchange(null_mut(), slots, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: made just now, and nobody else saw it.
            unsafe { discard(slots, segment) };
        }
        true
    }

    /// The slots that are filled, without waiting: for the collector, while every other thread
    /// stands still.
    pub fn filled(&self) -> impl Iterator<Item = &Slot<C>> {
        (0..self.len()).filter_map(|index| self.place(index))
    }

    /// Takes everything out, for the collector: only while no other thread uses the list.
    pub fn take_all(&self) -> Vec<Owned<C>> {
        let len = self.claimed.swap(0, Ordering::AcqRel);
        (0..len).filter_map(|index| self.place(index)?.take()).collect()
    }
}

#[cfg(not(loom))]
fn fresh<C: Counted>(len: usize) -> Option<Box<[Slot<C>]>> {
    zeros(len)
}

#[cfg(loom)]
fn fresh<C: Counted>(len: usize) -> Option<Box<[Slot<C>]>> {
    Some((0..len).map(|_| Slot::default()).collect())
}

/// Frees a segment without looking at its slots, so that pages that were never touched stay so.
///
/// # Safety
/// `slots` is a segment of that number, made by `fresh`. It is empty, and nobody uses it any more.
unsafe fn discard<C: Counted>(slots: *mut Slot<C>, segment: usize) {
    let slots = slice_from_raw_parts_mut(slots.cast::<MaybeUninit<Slot<C>>>(), size(segment));
    // SAFETY: the caller's; the layout is the same.
    drop(unsafe { Box::from_raw(slots) });
}

impl<C: Counted> Drop for AppendList<C> {
    fn drop(&mut self) {
        for item in (0..self.len()).filter_map(|index| self.place(index)?.take()) {
            item.dispose();
        }
        for (number, entry) in self.segments.iter().enumerate() {
            let slots = entry.load(Ordering::Acquire);
            if !slots.is_null() {
                // SAFETY: the list made it, has just emptied it, and is gone.
                unsafe { discard(slots, number) };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::owned::plain::{Plain, own, word};
    use proptest::prelude::*;

    #[test]
    fn segments_follow_each_other() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(31), (0, 31));
        assert_eq!(locate(32), (1, 0));
        assert_eq!(locate(95), (1, 63));
        assert_eq!(locate(96), (2, 0));
    }

    proptest! {
        #[test]
        fn items_stay_where_they_were_put(runs in proptest::collection::vec(0_usize..200, 1..20)) {
            let list = AppendList::<Plain>::default();
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
    fn appends_of_many_threads_are_all_there_and_in_each_threads_order() {
        let list = AppendList::<Plain>::default();
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
    use crate::owned::plain::{Plain, own, word};
    use loom::sync::Arc;

    /// Two appends that both need a new segment, and a reader of all that the length promises.
    #[test]
    fn what_the_length_counts_can_be_read() {
        loom::model(|| {
            let list = Arc::new(AppendList::<Plain>::default());
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
