//! A 64-bit word that owns one count of the object it refers to.
//!
//! A word is either an immediate value or the address of a counted object. [`Counted`] tells the
//! two apart and defines how counts are kept. The structures of this crate take and return
//! [`Owned`] words, so safe code can neither leak a count nor release it twice.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;

/// Defines how the counts of a kind of words are kept.
///
/// # Safety
/// `try_retain` must be callable on any word that a [`Slot`](crate::slot::Slot) held when the
/// calling thread loaded it, even if another thread has released it since. It must return false
/// unless it raised the count of an object that was alive.
///
/// Words whose two low bits are both set are reserved as marks of the structures. They must behave
/// as immediate values.
pub unsafe trait Counted {
    /// Raises the count of the object behind `word` if it is still alive. Always succeeds for
    /// immediate values.
    ///
    /// # Safety
    /// The calling thread loaded `word` from a slot, as described at the trait, or owns a count of
    /// it.
    unsafe fn try_retain(word: u64) -> bool;

    /// Releases a count that the caller owns.
    ///
    /// # Safety
    /// The caller owns one count of `word` and does not use it afterwards.
    unsafe fn release(word: u64);

    /// Releases a count from a destructor. An implementation may postpone the release until an
    /// outer destructor is done, so that dropping a long chain of structures does not overflow the
    /// stack.
    ///
    /// # Safety
    /// As for [`Self::release`].
    unsafe fn dispose(word: u64) {
        // SAFETY: the caller's contract is the same.
        unsafe { Self::release(word) }
    }
}

/// A word and one count of its object, released on drop.
///
/// The release may run arbitrary code (a finalizer). Never drop one under a lock.
///
/// ```compile_fail,E0382
/// # use ungil_sync::{owned::{Counted, Owned}, queue::Fifo};
/// fn twice<C: Counted>(queue: &Fifo<C>, item: Owned<C>) {
///     let _ = queue.put(item);
///     let _ = queue.put(item); // Moved by the first call.
/// }
/// ```
///
/// ```compile_fail,E0133
/// # use ungil_sync::{owned::{Counted, Owned}, queue::Fifo};
/// fn from_nowhere<C: Counted>(queue: &Fifo<C>) {
///     let _ = queue.put(Owned::from_raw(8)); // Only `unsafe` code may claim a count.
/// }
/// ```
#[repr(transparent)]
pub struct Owned<C: Counted> {
    word: NonZeroU64,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Owned<C> {
    /// Takes ownership of a count of `word`.
    ///
    /// # Safety
    /// - The caller owns one count of `word` and gives it up.
    /// - `word` is not 0, and its two low bits are not both set: the structures use such words as
    ///   marks.
    /// - The result, and any structure it is moved to, is used only by threads that may call `C`'s
    ///   functions.
    #[inline]
    pub unsafe fn from_raw(word: u64) -> Self {
        debug_assert!(word != 0 && word & 0b11 != 0b11);
        // SAFETY: not 0, by the caller's contract.
        Self { word: unsafe { NonZeroU64::new_unchecked(word) }, counted: PhantomData }
    }

    /// As [`Self::from_raw`]; returns `None` for 0.
    ///
    /// # Safety
    /// As for [`Self::from_raw`], unless `word` is 0.
    #[inline]
    pub(crate) unsafe fn from_raw_or_empty(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(|word| Self { word, counted: PhantomData })
    }

    /// Returns the word. `self` keeps its count.
    #[inline]
    pub fn as_raw(&self) -> u64 {
        self.word.get()
    }

    /// Returns the word and leaves its count to the caller.
    #[inline]
    pub fn into_raw(self) -> u64 {
        ManuallyDrop::new(self).as_raw()
    }

    /// Takes a second count. Returns `None` if `C` refuses one.
    pub fn try_clone(&self) -> Option<Self> {
        // SAFETY: `self` owns a count, so the object is alive; the result owns the new count.
        unsafe { C::try_retain(self.as_raw()).then(|| Self::from_raw(self.as_raw())) }
    }

    /// Releases the count from a destructor: see [`Counted::dispose`].
    #[inline]
    pub fn dispose(self) {
        // SAFETY: `self` owned the count.
        unsafe { C::dispose(self.into_raw()) }
    }

    /// Calls `visit` with a word whose count another structure owns.
    ///
    /// # Safety
    /// `word` is valid for [`Self::from_raw`], and its owner keeps the count during the call.
    #[inline]
    pub(crate) unsafe fn with_borrowed<R>(word: u64, visit: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: the caller's contract; `ManuallyDrop` leaves the count to its owner.
        visit(&ManuallyDrop::new(unsafe { Self::from_raw(word) }))
    }
}

impl<C: Counted> Drop for Owned<C> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` owns the count and is not used again.
        unsafe { C::release(self.as_raw()) }
    }
}

impl<C: Counted> fmt::Debug for Owned<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owned({:#x})", self.word)
    }
}

/// Compares the words themselves, not the objects they refer to.
impl<C: Counted> PartialEq for Owned<C> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl<C: Counted> Eq for Owned<C> {}

/// Words without counts, for tests.
#[cfg(test)]
pub(crate) mod uncounted {
    use super::{Counted, Owned};

    /// Immediate values only.
    pub(crate) struct Uncounted;

    // SAFETY: nothing is counted.
    unsafe impl Counted for Uncounted {
        unsafe fn try_retain(_: u64) -> bool {
            true
        }
        unsafe fn release(_: u64) {}
    }

    /// Encodes a number as a word.
    pub(crate) fn word(n: u64) -> u64 {
        n << 2 | 1
    }

    /// Encodes a number as an owned word.
    pub(crate) fn own(n: u64) -> Owned<Uncounted> {
        // SAFETY: nothing is counted, and the word is not a mark.
        unsafe { Owned::from_raw(word(n)) }
    }
}
