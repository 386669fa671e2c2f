//! What tells a block that was not sampled from one that may have been, for the price of one load.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// How many sampled blocks may lie at each of 65,536 groups of addresses: what every release looks
/// at, 128 KiB that stay in a core's cache, so that one of a block that was not sampled costs one
/// load.
static FILTER: [AtomicU16; 1 << 16] = [const { AtomicU16::new(0) }; 1 << 16];

/// The group that an address is of.
pub(crate) fn filter(address: u64) -> Option<&'static AtomicU16> {
    FILTER.get((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 48)
}

/// Whether a block may be a sampled one.
pub(crate) fn may_be_sampled(address: u64) -> bool {
    filter(address).is_some_and(|f| f.load(Relaxed) != 0)
}
