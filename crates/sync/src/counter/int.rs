//! An integer of 64 bits that any thread may change, and that never wraps.
//!
//! A plain fetch-and-add would be shorter, but it wraps, and undoing it afterwards lets another
//! thread see a number that never was.

use crate::prim::atomic::{AtomicI64, Ordering};
use crate::prim::hint::spin_loop;

/// How long to stand back, at most, after losing a race, in turns of the spin hint.
const STAND_BACK: u32 = 64;

/// One shared integer. Not padded: whoever holds it decides what its neighbours are.
#[derive(Default)]
#[repr(transparent)]
pub struct Int(AtomicI64);

impl Int {
    /// An integer that starts at `value`.
    pub fn new(value: i64) -> Self {
        Self(AtomicI64::new(value))
    }

    /// The value.
    #[inline]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }

    /// Puts `value` in.
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Release);
    }

    /// Puts `value` in and returns what was there.
    #[inline]
    pub fn swap(&self, value: i64) -> i64 {
        self.0.swap(value, Ordering::AcqRel)
    }

    /// Puts `new` in if `expected` is there; otherwise gives what is.
    #[inline]
    pub fn compare_exchange(&self, expected: i64, new: i64) -> Result<i64, i64> {
        self.0.compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Adds `n` and returns what was there before. `None`, and nothing is changed, if the sum does
    /// not fit.
    #[inline]
    pub fn add(&self, n: i64) -> Option<i64> {
        self.change(|value| value.checked_add(n))
    }

    /// Sets the bits of `mask`; returns what was there before.
    #[inline]
    pub fn or(&self, mask: i64) -> i64 {
        self.0.fetch_or(mask, Ordering::AcqRel)
    }

    /// Keeps only the bits of `mask`; returns what was there before.
    #[inline]
    pub fn and(&self, mask: i64) -> i64 {
        self.0.fetch_and(mask, Ordering::AcqRel)
    }

    /// Flips the bits of `mask`; returns what was there before.
    #[inline]
    pub fn xor(&self, mask: i64) -> i64 {
        self.0.fetch_xor(mask, Ordering::AcqRel)
    }

    #[inline]
    fn change(&self, next: impl Fn(i64) -> Option<i64>) -> Option<i64> {
        let mut value = self.0.load(Ordering::Relaxed);
        let mut turns = 1;
        loop {
            match self.0.compare_exchange_weak(
                value,
                next(value)?,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(before) => return Some(before),
                Err(now) => value = now,
            }
            // Losing means that the line is wanted elsewhere: leave it there for a moment.
            for _ in 0..turns {
                spin_loop();
            }
            turns = (turns * 2).min(STAND_BACK);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_changes_nothing() {
        let int = Int::new(i64::MAX - 1);
        assert_eq!(int.add(1), Some(i64::MAX - 1));
        assert_eq!(int.add(1), None);
        assert_eq!(int.get(), i64::MAX);
        assert_eq!(int.add(i64::MIN), Some(i64::MAX));
        assert_eq!(int.add(-1), Some(-1));
    }

    #[test]
    fn every_addition_counts_once() {
        let int = Int::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| assert!(int.add(1).is_some())));
            }
        });
        assert_eq!(int.get(), 40_000);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn two_additions_see_each_other() {
        loom::model(|| {
            let int = Arc::new(Int::new(0));
            let other = Arc::clone(&int);
            let thread = loom::thread::spawn(move || other.add(1));
            let mine = int.add(1);
            let theirs = thread.join().expect("no panic");
            assert_eq!(int.get(), 2);
            assert_eq!(mine.max(theirs), Some(1));
            assert_eq!(mine.min(theirs), Some(0));
        });
    }
}
