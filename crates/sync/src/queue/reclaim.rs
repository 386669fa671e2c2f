//! When the memory of a drained segment may be given back: when no thread that was inside a queue at the time still is. A thin
//! seam, because crossbeam-epoch cannot be run by loom; a model simply keeps everything.

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

impl super::segment::Segment {
    /// Gives the segment back, later.
    pub(super) fn retire(segment: *const Self, pin: &Pin) {
        #[cfg(not(loom))]
        {
            let segment = segment as usize;
            pin.defer(move || Self::free(segment as *mut Self));
        }
        #[cfg(loom)]
        let _ = (segment, pin);
    }
}
