//! One 64-bit word that any thread may read, replace or compare without a lock, where the word may stand for a counted object.
//!
//! The trouble is the reader's: between loading the word and raising the count of what it stands for, another thread may take the
//! word out and drop the last count. [`Counted::try_retain`] is what makes that harmless: it either raises the count or says that
//! the object is gone, and it may be asked about an object that has just been freed, as long as it was loaded from a slot by
//! this thread since the thread last passed a point at which memory may be given back. CPython's own lock-free list and dict
//! reads rest on the same guarantee (`_Py_TryXGetRef`).

#![allow(unsafe_code)]

use crate::prim::atomic::{AtomicU64, Ordering};

/// What a word stands for, and how its count is kept.
///
/// # Safety
/// `try_retain` must be callable on any word that a [`Slot`] held when the calling thread loaded it, even if another thread has
/// released it since, and must return false unless it raised the count of an object that was alive.
pub unsafe trait Counted {
    /// Raises the count of what `word` stands for, if that is still alive. Words that stand for themselves (unboxed values) are.
    ///
    /// # Safety
    /// `word` was loaded from a slot by this thread, as the trait says.
    unsafe fn try_retain(word: u64) -> bool;

    /// Lowers the count that the caller owns.
    ///
    /// # Safety
    /// The caller owns one count of `word` and forgets it. May run arbitrary code (a finalizer): never call it under a lock.
    unsafe fn release(word: u64);

    /// Lowers a count of each word but the empty ones (0), from a destructor: structures that hold each other in a long chain must not
    /// use up the stack, so some may be put off until an outer destructor is done.
    ///
    /// # Safety
    /// As for [`Self::release`], for each word.
    unsafe fn dispose(words: &mut dyn Iterator<Item = u64>) {
        for word in words.filter(|word| *word != 0) {
            // SAFETY: the caller's.
            unsafe { Self::release(word) };
        }
    }
}

/// One atomic word. It owns one count of what it holds. 0 means empty.
#[derive(Default)]
#[repr(transparent)]
pub struct Slot(AtomicU64);

impl Slot {
    /// A slot holding `word`, whose count it takes over.
    pub fn new(word: u64) -> Self {
        Self(AtomicU64::new(word))
    }

    /// The word, without a count: only for comparing, or for words that stand for themselves.
    #[inline]
    pub fn peek(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// The word, with a count of its own, or 0.
    #[inline]
    pub fn load<C: Counted>(&self) -> u64 {
        loop {
            // Loaded anew each time: a release below may run a finalizer, and with it pass a point at which memory is given back.
            let word = self.0.load(Ordering::Acquire);
            if word == 0 {
                return 0;
            }
            // SAFETY: `word` was loaded from this slot, by this thread, just now.
            if unsafe { C::try_retain(word) } {
                if self.0.load(Ordering::Acquire) == word {
                    return word;
                }
                // The count may have been raised on another object that took the freed one's place: give it back.
                // SAFETY: `try_retain` gave this thread that count.
                unsafe { C::release(word) };
            }
            crate::prim::hint::spin_loop();
        }
    }

    /// Puts `word` in and returns what was there, with its count.
    #[inline]
    pub fn swap(&self, word: u64) -> u64 {
        self.0.swap(word, Ordering::AcqRel)
    }

    /// Puts `new` in if `expected` is there. On success the caller owns `expected`'s count; otherwise it keeps `new`'s, and gets
    /// the word found, without a count.
    #[inline]
    pub fn compare_exchange(&self, expected: u64, new: u64) -> Result<u64, u64> {
        self.0.compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static SLOT: Slot = Slot::new(4);
        static ASKED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }

    /// 4 is replaced by 8 while its count is taken; dropping that count again runs a finalizer, which replaces 8 by 12 and frees it.
    struct Unlucky;

    // SAFETY: words stand for nothing.
    unsafe impl Counted for Unlucky {
        unsafe fn try_retain(word: u64) -> bool {
            ASKED.with_borrow_mut(|asked| asked.push(word));
            if word == 4 {
                SLOT.with(|slot| slot.swap(8));
            }
            true
        }

        unsafe fn release(_: u64) {
            SLOT.with(|slot| slot.swap(12));
        }
    }

    #[test]
    fn what_a_finalizer_took_out_is_not_asked_about() {
        assert_eq!(SLOT.with(Slot::load::<Unlucky>), 12);
        assert_eq!(ASKED.take(), [4, 12]);
    }
}
