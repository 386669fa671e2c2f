//! A fixed row of slots, each read, written, swapped and compared without a lock.

#![allow(unsafe_code)]

use crate::slot::{Counted, Slot};
use std::alloc::{Layout, alloc_zeroed};
use std::collections::TryReserveError;
use std::marker::PhantomData;

/// Fixed slots. Neighbouring slots share cache lines on purpose: threads that work on ranges of their own meet only at the ranges' ends.
pub struct Array<C: Counted> {
    slots: Vec<Slot>,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> FromIterator<u64> for Array<C> {
    fn from_iter<I: IntoIterator<Item = u64>>(words: I) -> Self {
        Self { slots: words.into_iter().map(Slot::new).collect(), counted: PhantomData }
    }
}

impl<C: Counted> Array<C> {
    /// Room for `slots` slots, none there yet.
    pub fn with_capacity(slots: usize) -> Result<Self, TryReserveError> {
        let mut array = Self { slots: Vec::new(), counted: PhantomData };
        array.slots.try_reserve_exact(slots)?;
        Ok(array)
    }

    /// Adds a slot that holds `word`, whose count it takes over. While the array is built, and nobody else knows it.
    #[inline]
    pub fn push(&mut self, word: u64) -> Result<(), TryReserveError> {
        if self.slots.len() == self.slots.capacity() {
            self.slots.try_reserve(1)?;
        }
        self.slots.push(Slot::new(word));
        Ok(())
    }

    /// How many slots there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slot at `index`.
    #[inline]
    pub fn slot(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// The slots, in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

impl<C: Counted> Drop for Array<C> {
    fn drop(&mut self) {
        // SAFETY: each slot owned the count of its word.
        unsafe { C::dispose(&mut self.slots.iter().map(|slot| slot.swap(0))) };
    }
}

/// A type of which a word of zeros is a value.
///
/// # Safety
/// It is.
pub unsafe trait Zero {}
// SAFETY: the numbers 0.
#[cfg(not(loom))]
unsafe impl Zero for crate::prim::atomic::AtomicU64 {}
// SAFETY: as above; `Int` is one.
#[cfg(not(loom))]
unsafe impl Zero for crate::counter::Int {}
// SAFETY: a slot of 0 is empty.
#[cfg(not(loom))]
unsafe impl Zero for Slot {}

/// `len` zeros, which the system provides as they are first touched; `None` if it does not have as many.
pub fn zeros<T: Zero>(len: usize) -> Option<Box<[T]>> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() == 0 {
        return Some(Box::default());
    }
    // SAFETY: the size is not 0.
    let memory = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if memory.is_null() {
        return None;
    }
    // SAFETY: `len` zeros from the global allocator, with the slice's own layout; each is a `T`, by `Zero`.
    Some(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(memory, len)) })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::counter::Int;

    #[test]
    fn more_than_there_is_is_refused() {
        assert!(zeros::<Int>(usize::MAX).is_none());
        assert!(zeros::<Int>(1 << 58).is_none());
        assert_eq!(zeros::<Int>(0).map(|z| z.len()), Some(0));
        assert!(zeros::<Int>(1000).is_some_and(|z| z.iter().all(|int| int.get() == 0)));
    }
}
