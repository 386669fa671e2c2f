//! One slot per stripe, for accumulating values with any associative and commutative function
//! (Java's `LongAccumulator`, for any value).
//!
//! The caller applies its function between a read and a compare-and-swap, never under a lock, so
//! the function may be arbitrary code.

use crate::owned::Counted;
use crate::slot::Slot;
use crate::stripe::{stripe_count, thread_number};
use crossbeam_utils::CachePadded;

/// Slots on cache lines of their own, chosen by thread. A slot is empty until its first value.
pub struct Striped<C: Counted> {
    slots: Box<[CachePadded<Slot<C>>]>,
    mask: usize,
}

impl<C: Counted> Default for Striped<C> {
    fn default() -> Self {
        let stripes = stripe_count();
        let slots = (0..stripes).map(|_| CachePadded::default()).collect();
        Self { slots, mask: stripes - 1 }
    }
}

impl<C: Counted> Striped<C> {
    /// Returns the calling thread's slot. Several threads share a slot if there are more threads
    /// than slots.
    #[inline]
    pub fn current(&self) -> &Slot<C> {
        &self.slots[thread_number() & self.mask]
    }

    /// Iterates over all slots.
    pub fn slots(&self) -> impl Iterator<Item = &Slot<C>> {
        self.slots.iter().map(|slot| &**slot)
    }
}
