//! A 64-bit word that owns one count of what it stands for.
//!
//! A word is either a value in itself or the address of a counted object; [`Counted`] says which,
//! and how the count is kept. The structures of this crate take and give [`Owned`] words, so that a
//! count can be neither lost nor released twice without `unsafe`.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;

/// How the counts of a kind of words are kept.
///
/// # Safety
/// `try_retain` must be callable on any word that a [`Slot`](crate::slot::Slot) held when the
/// calling thread loaded it, even if another thread has released it since. It must return false
/// unless it raised the count of an object that was alive.
///
/// Words whose two low bits are both set are marks of the structures: they count as values in
/// themselves.
pub unsafe trait Counted {
    /// Raises the count of what `word` stands for, if that is still alive. A word that is a value
    /// in itself always is.
    ///
    /// # Safety
    /// The calling thread loaded `word` from a slot, as the trait says, or owns a count of it.
    unsafe fn try_retain(word: u64) -> bool;

    /// Lowers the count that the caller owns.
    ///
    /// # Safety
    /// The caller owns one count of `word` and forgets it.
    unsafe fn release(word: u64);

    /// Lowers a count from a destructor. Structures that hold each other in a long chain must not
    /// use up the stack, so an implementation may put the release off until an outer destructor is
    /// done.
    ///
    /// # Safety
    /// As for [`Self::release`].
    unsafe fn dispose(word: u64) {
        // SAFETY: the caller's.
        unsafe { Self::release(word) }
    }
}

/// A word and one count of what it stands for, which is released on drop.
///
/// The release may run arbitrary code (a finalizer): never drop one under a lock.
///
/// ```compile_fail,E0382
/// # use ungil_sync::{owned::{Counted, Owned}, queue::Fifo};
/// fn twice<C: Counted>(queue: &Fifo<C>, item: Owned<C>) {
///     let _ = queue.put(item);
///     let _ = queue.put(item); // The first call has moved it.
/// }
/// ```
///
/// ```compile_fail,E0133
/// # use ungil_sync::{owned::{Counted, Owned}, queue::Fifo};
/// fn from_nowhere<C: Counted>(queue: &Fifo<C>) {
///     let _ = queue.put(Owned::from_raw(8)); // Only `unsafe` makes a count of a bare word.
/// }
/// ```
#[repr(transparent)]
pub struct Owned<C: Counted> {
    word: NonZeroU64,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Owned<C> {
    /// Takes over a count of `word`.
    ///
    /// # Safety
    /// - The caller owns one count of `word` and gives it over.
    /// - `word` is not 0, and its two low bits are not both set: the structures use such words as
    ///   marks.
    /// - Only threads that may call `C`'s functions use the result, or a structure that it is moved
    ///   to.
    #[inline]
    pub unsafe fn from_raw(word: u64) -> Self {
        debug_assert!(word != 0 && word & 0b11 != 0b11);
        // SAFETY: not 0, by the caller.
        Self { word: unsafe { NonZeroU64::new_unchecked(word) }, counted: PhantomData }
    }

    /// As [`Self::from_raw`]; 0 is nothing.
    ///
    /// # Safety
    /// As there, unless `word` is 0.
    #[inline]
    pub(crate) unsafe fn from_raw_or_empty(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(|word| Self { word, counted: PhantomData })
    }

    /// Returns the word. The count stays with `self`.
    #[inline]
    pub fn as_raw(&self) -> u64 {
        self.word.get()
    }

    /// Returns the word; its count is the caller's to release.
    #[inline]
    pub fn into_raw(self) -> u64 {
        ManuallyDrop::new(self).as_raw()
    }

    /// Takes a second count. `None` if `C` refuses to give one.
    pub fn try_clone(&self) -> Option<Self> {
        // SAFETY: `self` owns a count, so the object is alive; the result owns the one raised.
        unsafe { C::try_retain(self.as_raw()).then(|| Self::from_raw(self.as_raw())) }
    }

    /// Releases the count from a destructor: see [`Counted::dispose`].
    #[inline]
    pub fn dispose(self) {
        // SAFETY: the count was this word's.
        unsafe { C::dispose(self.into_raw()) }
    }

    /// Shows a word whose count somebody else owns.
    ///
    /// # Safety
    /// `word` is one that [`Self::from_raw`] takes, and its owner keeps the count during the call.
    #[inline]
    pub(crate) unsafe fn show<R>(word: u64, look: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: the caller's; `ManuallyDrop` leaves the count to its owner.
        look(&ManuallyDrop::new(unsafe { Self::from_raw(word) }))
    }
}

impl<C: Counted> Drop for Owned<C> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the count is this word's, which is not used again.
        unsafe { C::release(self.as_raw()) }
    }
}

impl<C: Counted> fmt::Debug for Owned<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owned({:#x})", self.word)
    }
}

/// Words are equal if they are the same word.
impl<C: Counted> PartialEq for Owned<C> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl<C: Counted> Eq for Owned<C> {}

/// Words without counts, for tests.
#[cfg(test)]
pub(crate) mod plain {
    use super::{Counted, Owned};

    /// Words that stand for themselves.
    pub(crate) struct Plain;

    // SAFETY: nothing is counted.
    unsafe impl Counted for Plain {
        unsafe fn try_retain(_: u64) -> bool {
            true
        }
        unsafe fn release(_: u64) {}
    }

    /// Returns the word of a number.
    pub(crate) fn word(n: u64) -> u64 {
        n << 2 | 1
    }

    /// Returns the number as an owned word.
    pub(crate) fn own(n: u64) -> Owned<Plain> {
        // SAFETY: nothing is counted, and the word is no mark.
        unsafe { Owned::from_raw(word(n)) }
    }
}
