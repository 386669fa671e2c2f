//! Zeroable-filled slices of any length, allocated in constant time.

#![allow(unsafe_code)]

use crate::owned::Counted;
use crate::slot::Slot;
use std::alloc::{Layout, alloc_zeroed};

/// A type whose all-zero bit pattern is a valid value.
///
/// # Safety
/// The all-zero bit pattern must be valid for the type.
pub unsafe trait Zeroable {}
// SAFETY: an atomic of 0.
#[cfg(not(loom))]
unsafe impl Zeroable for crate::primitive::atomic::AtomicU64 {}
// SAFETY: as above; `Int` wraps one atomic.
#[cfg(not(loom))]
unsafe impl Zeroable for crate::counter::Int {}
// SAFETY: an empty slot is 0.
#[cfg(not(loom))]
unsafe impl<C: Counted> Zeroable for Slot<C> {}

/// Allocates `len` zeros, whose pages the system provides when they are first touched. Returns
/// `None` if there is not enough memory.
pub fn zeroed_slice<T: Zeroable>(len: usize) -> Option<Box<[T]>> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() == 0 {
        return Some(Box::default());
    }
    // SAFETY: the size is not 0.
    let memory = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if memory.is_null() {
        return None;
    }
    // SAFETY: `len` zeros from the global allocator, with the slice's own layout; each is a valid
    // `T` by `Zeroable`.
    Some(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(memory, len)) })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::counter::Int;

    #[test]
    fn refuses_lengths_that_do_not_fit_in_memory() {
        assert!(zeroed_slice::<Int>(usize::MAX).is_none());
        assert!(zeroed_slice::<Int>(1 << 58).is_none());
        assert_eq!(zeroed_slice::<Int>(0).map(|z| z.len()), Some(0));
        assert!(zeroed_slice::<Int>(1000).is_some_and(|z| z.iter().all(|int| int.get() == 0)));
    }
}
