//! Epoch-based reclamation of replaced arrays: an array is freed once no thread that could have
//! seen it is still inside. Loom has no epochs; models never free.

#![allow(unsafe_code)]

use super::array::Array;

/// Keeps arrays alive that were seen since the guard was made, and delays the reclamation of what
/// other threads retire. Do not hold it while foreign code runs. (One exception remains: a read
/// that raised a count needlessly releases it inside the guard. If that was the last count, a
/// finalizer runs there. It may do anything but wait forever.)
pub(super) struct EpochGuard(#[cfg(not(loom))] crossbeam_epoch::Guard);

/// Enters the current epoch.
#[inline]
pub(super) fn pin() -> EpochGuard {
    EpochGuard(
        #[cfg(not(loom))]
        crossbeam_epoch::pin(),
    )
}

impl EpochGuard {
    /// Frees an array once that is safe. Retiring a large array flushes the pending ones at once;
    /// small ones may wait until there are several.
    ///
    /// # Safety `array` came from a box, threads that start from now on cannot find it, and it owns
    /// no counts any more.
    pub(super) unsafe fn retire(&self, array: *mut Array) {
        #[cfg(not(loom))]
        // SAFETY: the caller's contract; the epoch waits for the threads inside.
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
