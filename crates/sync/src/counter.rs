//! Counting from many threads: an integer that is one word, and one that is a word per thread.

use crate::prim::atomic::{AtomicI64, Ordering};
use crate::stripe::{stripes, thread_number};
use crossbeam_utils::CachePadded;

/// A sum that every thread adds to on a cache line of its own (Java's `LongAdder`). Adding is cheap and never contends; reading
/// visits every line, and sees each addition that happened before it.
pub struct Adder {
    cells: Box<[CachePadded<AtomicI64>]>,
    mask: usize,
}

impl Default for Adder {
    fn default() -> Self {
        let stripes = stripes();
        let cells = (0..stripes).map(|_| CachePadded::new(AtomicI64::new(0))).collect();
        Self { cells, mask: stripes - 1 }
    }
}

impl Adder {
    /// Adds `n`, wrapping at 64 bits.
    #[inline]
    pub fn add(&self, n: i64) {
        self.cells[thread_number() & self.mask].fetch_add(n, Ordering::Relaxed);
    }

    /// The sum. Additions that run meanwhile may or may not be in it.
    pub fn sum(&self) -> i64 {
        self.cells.iter().fold(0, |sum, cell| sum.wrapping_add(cell.load(Ordering::Acquire)))
    }

    /// The sum, taken out: what is added from now on counts from 0. Nothing is lost or counted twice.
    pub fn take(&self) -> i64 {
        self.cells.iter().fold(0, |sum, cell| sum.wrapping_add(cell.swap(0, Ordering::AcqRel)))
    }
}
