//! One 64-bit word that any thread may read, replace or compare without a lock, and that owns a
//! count of what it holds.
//!
//! A reader has a problem: between loading the word and raising the count, another thread may take
//! the word out and release the last count. [`Counted::try_retain`] makes that harmless: it either
//! raises the count or says that the object is gone, and it may be called on an object that has
//! just been freed, as long as this thread loaded the word from a slot and has not since passed a
//! point at which memory may be given back. CPython's own lock-free list and dict reads rest on the
//! same guarantee (`_Py_TryXGetRef`).

#![allow(unsafe_code)]

use crate::owned::{Counted, Owned};
use crate::prim::atomic::{AtomicU64, Ordering};
use std::marker::PhantomData;

/// An atomic word without an owner: the table keeps marks in some, and counts in others.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct RawSlot(AtomicU64);

impl RawSlot {
    /// Returns the word, without a count.
    #[inline]
    pub(crate) fn peek(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Returns the word with a count of its own, or 0.
    ///
    /// # Safety
    /// The slot owns a count of what it holds, as `C` counts; marks count as values in themselves.
    #[inline]
    pub(crate) unsafe fn load<C: Counted>(&self) -> u64 {
        loop {
            // Loaded again each time: a release below may run a finalizer, and with it pass a point
            // at which memory is given back.
            let word = self.peek();
            if word == 0 {
                return 0;
            }
            // SAFETY: this thread loaded `word` from this slot just now.
            if unsafe { C::try_retain(word) } {
                if self.peek() == word {
                    return word;
                }
                // The count may have been raised on another object at the freed one's address.
                // SAFETY: `try_retain` gave this thread that count.
                unsafe { C::release(word) };
            }
            crate::prim::hint::spin_loop();
        }
    }

    /// Puts `word` in and returns what was there.
    #[inline]
    pub(crate) fn swap(&self, word: u64) -> u64 {
        self.0.swap(word, Ordering::AcqRel)
    }

    /// Puts `new` in if `expected` is there; otherwise returns the word found.
    #[inline]
    pub(crate) fn compare_exchange(&self, expected: u64, new: u64) -> Result<u64, u64> {
        self.0.compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// One atomic word, or nothing. It owns one count of what it holds.
#[repr(transparent)]
pub struct Slot<C: Counted> {
    /// 0 if the slot is empty.
    word: RawSlot,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Slot<C> {
    /// Makes a slot that holds `value`.
    pub fn new(value: impl Into<Option<Owned<C>>>) -> Self {
        let word = value.into().map_or(0, Owned::into_raw);
        Self { word: RawSlot(AtomicU64::new(word)), counted: PhantomData }
    }

    /// Returns the word without a count, for comparing; 0 if the slot is empty.
    #[inline]
    pub fn peek(&self) -> u64 {
        self.word.peek()
    }

    /// Returns whether the slot is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.peek() == 0
    }

    /// Returns the word with a count of its own.
    #[inline]
    pub fn load(&self) -> Option<Owned<C>> {
        // SAFETY: a slot owns a count of its word; `load` gives another.
        unsafe { Owned::from_raw_or_empty(self.word.load::<C>()) }
    }

    /// Puts `value` in and returns what was there.
    #[inline]
    pub fn swap(&self, value: Owned<C>) -> Option<Owned<C>> {
        // SAFETY: the slot owned a count of what it held, and gives it up.
        unsafe { Owned::from_raw_or_empty(self.word.swap(value.into_raw())) }
    }

    /// Empties the slot and returns what was there.
    #[inline]
    pub fn take(&self) -> Option<Owned<C>> {
        // SAFETY: as in `swap`.
        unsafe { Owned::from_raw_or_empty(self.word.swap(0)) }
    }

    /// Puts `new` in if the slot holds `expected`, and returns what was there; otherwise returns
    /// `new`.
    ///
    /// The caller holds a count of `expected`, so that its word cannot meanwhile come to mean
    /// another object.
    #[inline]
    pub fn compare_exchange(
        &self,
        expected: Option<&Owned<C>>,
        new: Owned<C>,
    ) -> Result<Option<Owned<C>>, Owned<C>> {
        match self.word.compare_exchange(expected.map_or(0, Owned::as_raw), new.as_raw()) {
            Ok(old) => {
                // The slot has taken over the count.
                new.into_raw();
                // SAFETY: the slot owned a count of what it held, and gives it up.
                Ok(unsafe { Owned::from_raw_or_empty(old) })
            }
            Err(_) => Err(new),
        }
    }
}

impl<C: Counted> Default for Slot<C> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<C: Counted> Drop for Slot<C> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the slot owned the count, and nobody uses it any more.
        if let Some(value) = unsafe { Owned::<C>::from_raw_or_empty(self.peek()) } {
            value.dispose();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static SLOT: Slot<Unlucky> = Slot::new(own(4));
        static ASKED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }

    /// 4 is replaced by 8 while its count is taken; releasing that count runs a finalizer, which
    /// replaces 8 by 12 and frees it.
    struct Unlucky;

    fn own(word: u64) -> Owned<Unlucky> {
        // SAFETY: words stand for nothing.
        unsafe { Owned::from_raw(word) }
    }

    /// Replaces the word without releasing what was there.
    fn replace(word: u64) {
        SLOT.with(|slot| slot.swap(own(word)).map(Owned::into_raw));
    }

    // SAFETY: words stand for nothing.
    unsafe impl Counted for Unlucky {
        unsafe fn try_retain(word: u64) -> bool {
            ASKED.with_borrow_mut(|asked| asked.push(word));
            if word == 4 {
                replace(8);
            }
            true
        }

        unsafe fn release(_: u64) {
            replace(12);
        }

        unsafe fn dispose(_: u64) {}
    }

    #[test]
    fn what_a_finalizer_took_out_is_not_asked_about() {
        assert_eq!(SLOT.with(Slot::load).map(Owned::into_raw), Some(12));
        assert_eq!(ASKED.take(), [4, 12]);
    }
}
