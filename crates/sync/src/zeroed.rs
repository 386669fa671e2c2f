//! Slices of zeros that take no time to make, however long they are.

#![allow(unsafe_code)]

use crate::owned::Counted;
use crate::slot::Slot;
use std::alloc::{Layout, alloc_zeroed};

/// A type of which a word of zeros is a value.
///
/// # Safety
/// It is.
pub unsafe trait Zero {}
// SAFETY: the numbers 0.
#[cfg(not(loom))]
unsafe impl Zero for crate::prim::atomic::AtomicU64 {}
// SAFETY: as above; `Int` is one.
#[cfg(not(loom))]
unsafe impl Zero for crate::counter::Int {}
// SAFETY: a slot of 0 is empty.
#[cfg(not(loom))]
unsafe impl<C: Counted> Zero for Slot<C> {}

/// `len` zeros, which the system provides as they are first touched; `None` if it does not have as
/// many.
pub fn zeros<T: Zero>(len: usize) -> Option<Box<[T]>> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() == 0 {
        return Some(Box::default());
    }
    // SAFETY: the size is not 0.
    let memory = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if memory.is_null() {
        return None;
    }
    // SAFETY: `len` zeros from the global allocator, with the slice's own layout; each is a `T`, by
    // `Zero`.
    Some(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(memory, len)) })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::counter::Int;

    #[test]
    fn more_than_there_is_is_refused() {
        assert!(zeros::<Int>(usize::MAX).is_none());
        assert!(zeros::<Int>(1 << 58).is_none());
        assert_eq!(zeros::<Int>(0).map(|z| z.len()), Some(0));
        assert!(zeros::<Int>(1000).is_some_and(|z| z.iter().all(|int| int.get() == 0)));
    }
}
