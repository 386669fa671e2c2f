//! A sum with one cache line per thread, like Java's `LongAdder` and `DoubleAdder` combined.
//!
//! Each line holds a 64-bit word, but the sum is exact beyond 64 bits: a line whose word has grown
//! large is flushed into a 128-bit total under a lock, long before the word could overflow. Readers
//! take the same lock.

use crate::primitive::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use crate::stripe::{stripe_count, thread_number};
use crossbeam_utils::CachePadded;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// A line is flushed once its word is beyond this in either direction.
const FLUSH_LIMIT: i64 = 1 << 62;
/// Larger numbers are added to the total directly. Between a line reaching [`FLUSH_LIMIT`] and its
/// flush, each thread adds at most one number to it, and 2^22 numbers of this size fit: as many
/// threads as Linux allows.
const MAX_CELL_ADD: i64 = 1 << 40;

#[derive(Default)]
struct AdderCell {
    /// Sum of the integers added here and not yet flushed. Read with Acquire, changed with AcqRel.
    whole: AtomicI64,
    /// The bits of an `f64`: the sum of the floats added here. Read with Acquire, changed with
    /// AcqRel.
    real: AtomicU64,
}

impl AdderCell {
    fn add_real(&self, n: f64) {
        let mut bits = self.real.load(Ordering::Relaxed);
        loop {
            let sum = (f64::from_bits(bits) + n).to_bits();
            match self.real.compare_exchange_weak(bits, sum, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => bits = now,
            }
        }
    }
}

/// The sum of all additions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sum {
    /// Only integers were added. Exact.
    Whole(i128),
    /// The exact sum of the integers, and the sum of the floats in the order in which they happened
    /// to be added.
    Real(i128, f64),
}

/// The sum. Adding never contends. Reading visits every line and sees each addition that happened
/// before it.
pub struct Adder {
    cells: Box<[CachePadded<AdderCell>]>,
    mask: usize,
    /// True once a float was added. Set with Release, read with Acquire.
    real: AtomicBool,
    /// Flushed lines and large additions.
    total: Mutex<i128>,
}

impl Default for Adder {
    fn default() -> Self {
        Self::with_stripes(stripe_count())
    }
}

impl Adder {
    /// `stripes` is the number of lines, a power of two.
    fn with_stripes(stripes: usize) -> Self {
        let cells = (0..stripes).map(|_| CachePadded::new(AdderCell::default())).collect();
        Self { cells, mask: stripes - 1, real: AtomicBool::new(false), total: Mutex::new(0) }
    }

    fn total(&self) -> MutexGuard<'_, i128> {
        // Nothing panics while it holds the lock, so a poisoned lock is still consistent.
        self.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[inline]
    fn cell(&self) -> &AdderCell {
        &self.cells[thread_number() & self.mask]
    }

    #[inline]
    pub fn add(&self, n: i64) {
        if !(-MAX_CELL_ADD..=MAX_CELL_ADD).contains(&n) {
            self.add_large(n);
            return;
        }
        let cell = self.cell();
        let sum = cell.whole.fetch_add(n, Ordering::AcqRel).wrapping_add(n);
        if !(-FLUSH_LIMIT..=FLUSH_LIMIT).contains(&sum) {
            self.flush(cell);
        }
    }

    #[cold]
    fn add_large(&self, n: i64) {
        *self.total() += i128::from(n);
    }

    #[cold]
    fn flush(&self, cell: &AdderCell) {
        let mut total = self.total();
        *total += i128::from(cell.whole.swap(0, Ordering::AcqRel));
    }

    /// Adds a float.
    pub fn add_real(&self, n: f64) {
        if !self.real.load(Ordering::Relaxed) {
            self.real.store(true, Ordering::Release);
        }
        self.cell().add_real(n);
    }

    /// Returns the sum. Concurrent additions may or may not be included.
    pub fn sum(&self) -> Sum {
        self.read(
            |whole| whole.load(Ordering::Acquire),
            |real| real.load(Ordering::Acquire),
            |total| *total,
        )
    }

    /// Returns the sum and resets it to 0. Each concurrent addition is either in the result or
    /// counts from 0; none is lost or counted twice.
    pub fn take(&self) -> Sum {
        self.read(
            |whole| whole.swap(0, Ordering::AcqRel),
            |real| real.swap(0, Ordering::AcqRel),
            std::mem::take,
        )
    }

    fn read(
        &self,
        whole: impl Fn(&AtomicI64) -> i64,
        real: impl Fn(&AtomicU64) -> u64,
        spilled: impl Fn(&mut i128) -> i128,
    ) -> Sum {
        // Held throughout, so that a line being flushed is seen on one side only.
        let mut total = self.total();
        let exact = self
            .cells
            .iter()
            .fold(spilled(&mut total), |sum, cell| sum + i128::from(whole(&cell.whole)));
        if !self.real.load(Ordering::Acquire) {
            return Sum::Whole(exact);
        }
        Sum::Real(
            exact,
            self.cells.iter().fold(0.0, |sum, cell| sum + f64::from_bits(real(&cell.real))),
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn concurrent_additions_count_exactly_once() {
        let adder = Adder::default();
        let taken = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| adder.add(3)));
            }
            (0..100).fold(0, |taken, _| match adder.take() {
                Sum::Whole(sum) => taken + sum,
                Sum::Real(..) => unreachable!("no float was added"),
            })
        });
        assert_eq!(adder.sum(), Sum::Whole(120_000 - taken));
    }

    #[test]
    fn floats_and_integers_add_up() {
        let adder = Adder::default();
        adder.add(1 << 60);
        adder.add_real(0.5);
        adder.add_real(0.25);
        assert_eq!(adder.take(), Sum::Real(1 << 60, 0.75));
        assert_eq!(adder.sum(), Sum::Real(0, 0.0));
    }

    proptest! {
        #[test]
        fn the_sum_is_exact_beyond_64_bits(numbers in proptest::collection::vec(any::<i64>(), 0..50)) {
            let adder = Adder::with_stripes(4);
            numbers.iter().for_each(|n| adder.add(*n));
            (0..10).for_each(|_| adder.add(MAX_CELL_ADD));
            let sum = numbers.iter().map(|n| i128::from(*n)).sum::<i128>() + 10 * i128::from(MAX_CELL_ADD);
            prop_assert_eq!(adder.sum(), Sum::Whole(sum));
        }
    }

    #[test]
    fn a_full_line_is_flushed() {
        let adder = Adder::with_stripes(1);
        adder.cells[0].whole.store(FLUSH_LIMIT, Ordering::Relaxed);
        adder.add(MAX_CELL_ADD);
        assert_eq!(adder.cells[0].whole.load(Ordering::Relaxed), 0);
        assert_eq!(adder.sum(), Sum::Whole(i128::from(FLUSH_LIMIT + MAX_CELL_ADD)));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    /// One thread flushes a line while another takes the sum: the number is in exactly one of the
    /// two results.
    #[test]
    fn a_concurrent_flush_loses_nothing() {
        loom::model(|| {
            let adder = Arc::new(Adder::with_stripes(1));
            adder.cells[0].whole.store(FLUSH_LIMIT, Ordering::Relaxed);
            let other = Arc::clone(&adder);
            let thread = loom::thread::spawn(move || other.add(1));
            let Sum::Whole(taken) = adder.take() else { unreachable!() };
            thread.join().expect("no panic");
            let Sum::Whole(left) = adder.sum() else { unreachable!() };
            assert_eq!(taken + left, i128::from(FLUSH_LIMIT) + 1);
        });
    }
}
