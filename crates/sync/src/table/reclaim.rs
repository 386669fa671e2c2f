//! When the memory of an array that has been replaced may be given back: once nobody who could have
//! seen it is still inside.
//!
//! The model checker has no epochs; under it, arrays are simply kept.

#![allow(unsafe_code)]

use super::array::Array;

/// While it lives, arrays seen since it was made stay where they are, and so does what others
/// retire meanwhile: it is not to be held while foreign code runs. (One case is left: a read that
/// raised a count in vain gives it back inside, and if that was the last, a finalizer runs there.
/// It may do anything but wait for ever.)
pub(super) struct Guard(#[cfg(not(loom))] crossbeam_epoch::Guard);

/// Goes inside.
#[inline]
pub(super) fn pin() -> Guard {
    Guard(
        #[cfg(not(loom))]
        crossbeam_epoch::pin(),
    )
}

impl Guard {
    /// Gives an array back when that is safe. A large one is brought forward at once; small ones
    /// may wait until there are some.
    ///
    /// # Safety
    /// It came from a box, nobody who comes from now on can find it, and it owns no counts any
    /// more.
    pub(super) unsafe fn retire(&self, array: *mut Array) {
        #[cfg(not(loom))]
        // SAFETY: the caller's; the epoch waits for those inside.
        unsafe {
            let large = (*array).entries().len() > 256;
            self.0.defer_unchecked(move || drop(Box::from_raw(array)));
            if large {
                self.0.flush();
            }
        }
        #[cfg(loom)]
        let _ = array;
    }
}
