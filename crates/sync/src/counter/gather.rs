//! Values gathered per thread with any function that may be applied in any order (Java's
//! `LongAccumulator`, for any value).
//!
//! The function is the caller's, and may be anything: it runs between a read and a
//! compare-and-swap, never under a lock.

use crate::owned::Counted;
use crate::slot::Slot;
use crate::stripe::{stripes, thread_number};
use crossbeam_utils::CachePadded;

/// A slot per thread, each on a cache line of its own. Empty until its first value.
pub struct Gather<C: Counted> {
    slots: Box<[CachePadded<Slot<C>>]>,
    mask: usize,
}

impl<C: Counted> Default for Gather<C> {
    fn default() -> Self {
        let stripes = stripes();
        let slots = (0..stripes).map(|_| CachePadded::default()).collect();
        Self { slots, mask: stripes - 1 }
    }
}

impl<C: Counted> Gather<C> {
    /// The slot of the calling thread. Others may use it too, when there are more threads than
    /// slots.
    #[inline]
    pub fn mine(&self) -> &Slot<C> {
        &self.slots[thread_number() & self.mask]
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = &Slot<C>> {
        self.slots.iter().map(|slot| &**slot)
    }
}
