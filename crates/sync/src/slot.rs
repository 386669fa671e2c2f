//! An atomic 64-bit word that owns a count of the value it holds. Any thread may read, replace or
//! compare it without a lock.
//!
//! Between loading the word and raising the count, another thread may take the word out and release
//! the last count. [`Counted::try_retain`] makes that harmless: it either raises the count or
//! reports that the object is gone. It may be called on an object that has just been freed, as long
//! as this thread loaded the word from a slot and has not since passed a point at which memory may
//! be reclaimed. CPython's lock-free list and dict reads rest on the same guarantee
//! (`_Py_TryXGetRef`).

#![allow(unsafe_code)]

use crate::owned::{Counted, Owned};
use crate::primitive::atomic::{AtomicU64, Ordering};
use std::marker::PhantomData;

/// An atomic word without an owner. The table stores marks and counted values in these.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct RawSlot(
    /// 0 if empty, otherwise a word as in [`crate::owned`]. SeqCst: a thread that loads a word sees
    /// everything written before it was stored, and an exchange is visible to all threads before
    /// its call returns.
    AtomicU64,
);

impl RawSlot {
    /// Returns the word without raising its count.
    #[inline]
    pub(crate) fn peek(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Returns the word after raising its count, or 0 if the slot is empty.
    ///
    /// # Safety
    /// The slot owns a count of its value, as `C` counts. Marks must be values without a count.
    #[inline]
    pub(crate) unsafe fn load<C: Counted>(&self) -> u64 {
        loop {
            // Reload each time: the release below may run a finalizer, which may pass a point at
            // which memory is reclaimed.
            let word = self.peek();
            if word == 0 {
                return 0;
            }
            // SAFETY: this thread has just loaded `word` from this slot.
            if unsafe { C::try_retain(word) } {
                if self.peek() == word {
                    return word;
                }
                // The count may belong to another object that now has the freed object's address.
                // SAFETY: `try_retain` gave this thread that count.
                unsafe { C::release(word) };
            }
            crate::primitive::hint::spin_loop();
        }
    }

    /// Stores `word` and returns the previous word.
    #[inline]
    pub(crate) fn swap(&self, word: u64) -> u64 {
        self.0.swap(word, Ordering::SeqCst)
    }

    /// Stores `new` if the slot holds `expected`. Otherwise returns the word found.
    #[inline]
    pub(crate) fn compare_exchange(&self, expected: u64, new: u64) -> Result<u64, u64> {
        self.0.compare_exchange(expected, new, Ordering::SeqCst, Ordering::SeqCst)
    }
}

/// An atomic word that is empty or owns one count of its value.
#[repr(transparent)]
pub struct Slot<C: Counted> {
    /// 0 if the slot is empty.
    word: RawSlot,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Slot<C> {
    /// Creates a slot that holds `value`.
    pub fn new(value: impl Into<Option<Owned<C>>>) -> Self {
        let word = value.into().map_or(0, Owned::into_raw);
        Self { word: RawSlot(AtomicU64::new(word)), counted: PhantomData }
    }

    /// Returns the word without raising its count, for comparisons; 0 if the slot is empty.
    #[inline]
    pub fn peek(&self) -> u64 {
        self.word.peek()
    }

    /// Returns true if the slot is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.peek() == 0
    }

    /// Returns the value with a count of its own.
    #[inline]
    pub fn load(&self) -> Option<Owned<C>> {
        // SAFETY: the slot owns a count of its word; `load` raises another.
        unsafe { Owned::from_raw_or_empty(self.word.load::<C>()) }
    }

    /// Stores `value` and returns the previous value.
    #[inline]
    pub fn swap(&self, value: Owned<C>) -> Option<Owned<C>> {
        // SAFETY: the slot owned a count of the word it held, and gives it up.
        unsafe { Owned::from_raw_or_empty(self.word.swap(value.into_raw())) }
    }

    /// Empties the slot and returns its value.
    #[inline]
    pub fn take(&self) -> Option<Owned<C>> {
        // SAFETY: as in `swap`.
        unsafe { Owned::from_raw_or_empty(self.word.swap(0)) }
    }

    /// Stores `new` if the slot holds `expected` and returns the previous value. Otherwise returns
    /// `new`.
    ///
    /// The caller holds a count of `expected`, so its word cannot be reused for another object in
    /// the meantime.
    #[inline]
    pub fn compare_exchange(
        &self,
        expected: Option<&Owned<C>>,
        new: Owned<C>,
    ) -> Result<Option<Owned<C>>, Owned<C>> {
        match self.word.compare_exchange(expected.map_or(0, Owned::as_raw), new.as_raw()) {
            Ok(old) => {
                // The slot now owns the count.
                new.into_raw();
                // SAFETY: the slot owned a count of the word it held, and gives it up.
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
        // SAFETY: the slot owned the count, and it is not used any more.
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
    static SLOT: Slot<ReplacedDuringLoad> = Slot::new(own(4));
    static RETAIN_CALLS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
        }

    /// Replaces 4 by 8 while the count of 4 is being raised. Releasing that count runs a finalizer,
    /// which replaces 8 by 12 and frees 8.
    struct ReplacedDuringLoad;

    fn own(word: u64) -> Owned<ReplacedDuringLoad> {
        // SAFETY: these words are not counted.
        unsafe { Owned::from_raw(word) }
    }

    /// Replaces the word without releasing the previous one.
    fn replace(word: u64) {
        SLOT.with(|slot| slot.swap(own(word)).map(Owned::into_raw));
    }

    // SAFETY: these words are not counted.
    unsafe impl Counted for ReplacedDuringLoad {
        unsafe fn try_retain(word: u64) -> bool {
            RETAIN_CALLS.with_borrow_mut(|calls| calls.push(word));
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
    fn load_skips_a_word_removed_by_a_finalizer() {
        assert_eq!(SLOT.with(Slot::load).map(Owned::into_raw), Some(12));
        assert_eq!(RETAIN_CALLS.take(), [4, 12]);
    }
}
