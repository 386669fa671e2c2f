//! When the memory of a drained segment may be given back: when no thread that was inside a queue
//! at the time still is. A thin seam, because crossbeam-epoch cannot be run by loom; a model simply
//! keeps everything.

#[cfg(not(loom))]
pub(super) use crossbeam_epoch::Guard as Pin;

/// What stands for it in a model.
#[cfg(loom)]
pub(super) struct Pin;

/// Says that this thread is inside, until the result is dropped.
#[inline]
pub(super) fn pin() -> Pin {
    #[cfg(not(loom))]
    return crossbeam_epoch::pin();
    #[cfg(loom)]
    Pin
}

/// Runs `free` once no thread that is inside now still is. A model never does.
pub(super) fn defer(pin: &Pin, free: impl FnOnce() + Send + 'static) {
    #[cfg(not(loom))]
    pin.defer(free);
    #[cfg(loom)]
    let _ = (pin, free);
}
