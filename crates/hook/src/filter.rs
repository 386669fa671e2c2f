//! A counting filter over addresses: decides with one load that a block was not sampled.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Number of live sampled blocks in each of 65,536 groups of addresses. Every release reads it; its
/// 128 KiB stay in a core's cache, so that releasing an unsampled block costs one load.
static FILTER: [AtomicU16; 1 << 16] = [const { AtomicU16::new(0) }; 1 << 16];

/// Returns the counter of an address's group.
pub(crate) fn counter(address: u64) -> Option<&'static AtomicU16> {
    FILTER.get((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 48)
}

/// Returns whether a block may have been sampled.
pub(crate) fn may_be_sampled(address: u64) -> bool {
    counter(address).is_some_and(|f| f.load(Relaxed) != 0)
}
