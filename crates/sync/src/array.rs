//! A fixed row of slots, each read, written, swapped and compared without a lock.

#![allow(unsafe_code)]

use crate::slot::{Counted, Slot};
use std::marker::PhantomData;

/// Fixed slots. Neighbouring slots share cache lines on purpose: threads that work on ranges of their own meet only at the ranges' ends.
pub struct Array<C: Counted> {
    slots: Box<[Slot]>,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> FromIterator<u64> for Array<C> {
    fn from_iter<I: IntoIterator<Item = u64>>(words: I) -> Self {
        Self { slots: words.into_iter().map(Slot::new).collect(), counted: PhantomData }
    }
}

impl<C: Counted> Array<C> {
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
        for slot in &self.slots {
            let word = slot.swap(0);
            if word != 0 {
                // SAFETY: the slot owned this count.
                unsafe { C::release(word) };
            }
        }
    }
}
