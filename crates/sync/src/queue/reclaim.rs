//! Epoch-based reclamation of drained segments: a segment is freed once no thread that was inside a
//! queue at the time still is. A thin wrapper, because loom cannot run crossbeam-epoch; models
//! never free.

#[cfg(not(loom))]
pub(super) use crossbeam_epoch::Guard as Pin;

/// Stand-in for the guard in models.
#[cfg(loom)]
pub(super) struct Pin;

/// Marks this thread as inside a queue until the result is dropped.
#[inline]
pub(super) fn pin() -> Pin {
    #[cfg(not(loom))]
    return crossbeam_epoch::pin();
    #[cfg(loom)]
    Pin
}

/// Runs `free` once no thread that is inside now still is. Never runs in models.
pub(super) fn defer(pin: &Pin, free: impl FnOnce() + Send + 'static) {
    #[cfg(not(loom))]
    pin.defer(free);
    #[cfg(loom)]
    let _ = (pin, free);
}
