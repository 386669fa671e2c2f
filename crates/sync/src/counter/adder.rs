//! A sum that every thread adds to on a cache line of its own (Java's `LongAdder` and `DoubleAdder`
//! in one).
//!
//! Each line has a word of 64 bits, and the sum is exact beyond them: a line that has grown large
//! is emptied into a total of 128 bits under a lock that the reader takes too, long before the word
//! could wrap.

use crate::prim::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use crate::stripe::{stripes, thread_number};
use crossbeam_utils::CachePadded;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// A line is emptied once its word is beyond this, either way.
const FULL: i64 = 1 << 62;
/// Larger numbers go to the total at once. Between a line's becoming full and its being emptied,
/// each thread adds at most one number to it, and 2^22 of these fit: as many threads as Linux can
/// have.
const LARGE: i64 = 1 << 40;

#[derive(Default)]
struct Cell {
    whole: AtomicI64,
    /// The bits of a float.
    real: AtomicU64,
}

impl Cell {
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

/// What was added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sum {
    /// Whole numbers only. Exact.
    Whole(i128),
    /// The whole numbers, exactly, and the rest in the order in which it happened to be added.
    Real(i128, f64),
}

/// The sum. Adding is cheap and never contends; reading visits every line, and sees each addition
/// that happened before it.
pub struct Adder {
    cells: Box<[CachePadded<Cell>]>,
    mask: usize,
    /// Whether a float was ever added. Written once.
    real: AtomicBool,
    total: Mutex<i128>,
}

impl Default for Adder {
    fn default() -> Self {
        Self::with_stripes(stripes())
    }
}

impl Adder {
    /// `stripes` lines; a power of two.
    fn with_stripes(stripes: usize) -> Self {
        let cells = (0..stripes).map(|_| CachePadded::new(Cell::default())).collect();
        Self { cells, mask: stripes - 1, real: AtomicBool::new(false), total: Mutex::new(0) }
    }

    fn total(&self) -> MutexGuard<'_, i128> {
        // Nothing in here can panic while it holds the lock, so a poisoned one is as good.
        self.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[inline]
    fn cell(&self) -> &Cell {
        &self.cells[thread_number() & self.mask]
    }

    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: i64) {
        if !(-LARGE..=LARGE).contains(&n) {
            self.add_large(n);
            return;
        }
        let cell = self.cell();
        let sum = cell.whole.fetch_add(n, Ordering::AcqRel).wrapping_add(n);
        if !(-FULL..=FULL).contains(&sum) {
            self.empty(cell);
        }
    }

    #[cold]
    fn add_large(&self, n: i64) {
        *self.total() += i128::from(n);
    }

    #[cold]
    fn empty(&self, cell: &Cell) {
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

    /// The sum. Additions that run meanwhile may or may not be in it.
    pub fn sum(&self) -> Sum {
        self.read(
            |whole| whole.load(Ordering::Acquire),
            |real| real.load(Ordering::Acquire),
            |total| *total,
        )
    }

    /// The sum, taken out: what is added from now on counts from 0. Nothing is lost or counted
    /// twice.
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
        // Held throughout, so that a line that is being emptied is seen on one side only.
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
    fn every_addition_of_every_thread_is_in_the_sum_once() {
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
    fn floats_and_whole_numbers_add_up() {
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
            (0..10).for_each(|_| adder.add(LARGE));
            let sum = numbers.iter().map(|n| i128::from(*n)).sum::<i128>() + 10 * i128::from(LARGE);
            prop_assert_eq!(adder.sum(), Sum::Whole(sum));
        }
    }

    #[test]
    fn a_full_line_is_emptied() {
        let adder = Adder::with_stripes(1);
        adder.cells[0].whole.store(FULL, Ordering::Relaxed);
        adder.add(LARGE);
        assert_eq!(adder.cells[0].whole.load(Ordering::Relaxed), 0);
        assert_eq!(adder.sum(), Sum::Whole(i128::from(FULL + LARGE)));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    /// A line is emptied while another thread takes the sum: the number is in one of the two
    /// places.
    #[test]
    fn nothing_is_lost_while_a_line_is_emptied() {
        loom::model(|| {
            let adder = Arc::new(Adder::with_stripes(1));
            adder.cells[0].whole.store(FULL, Ordering::Relaxed);
            let other = Arc::clone(&adder);
            let thread = loom::thread::spawn(move || other.add(1));
            let Sum::Whole(taken) = adder.take() else { unreachable!() };
            thread.join().expect("no panic");
            let Sum::Whole(left) = adder.sum() else { unreachable!() };
            assert_eq!(taken + left, i128::from(FULL) + 1);
        });
    }
}
