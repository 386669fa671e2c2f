//! A shared 64-bit integer that never wraps.
//!
//! A plain fetch-and-add would wrap, and undoing it afterwards would let other threads see a value
//! that never existed.

use crate::primitive::atomic::{AtomicI64, Ordering};
use crate::primitive::hint::spin_loop;

/// Upper limit of the backoff after a lost race, in spin hints.
const MAX_BACKOFF: u32 = 64;

/// One shared integer. Not padded: the owner decides what shares its cache line.
#[derive(Default)]
#[repr(transparent)]
pub struct Int(
    /// SeqCst: a change is visible to all threads before its call returns. A Release store may still
    /// wait in the processor's store buffer then.
    AtomicI64,
);

impl Int {
    pub fn new(value: i64) -> Self {
        Self(AtomicI64::new(value))
    }

    /// Returns the value.
    #[inline]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::SeqCst);
    }

    /// Stores `value` and returns the previous value.
    #[inline]
    pub fn swap(&self, value: i64) -> i64 {
        self.0.swap(value, Ordering::SeqCst)
    }

    /// Stores `new` if the value is `expected`. Otherwise returns the current value.
    #[inline]
    pub fn compare_exchange(&self, expected: i64, new: i64) -> Result<i64, i64> {
        self.0.compare_exchange(expected, new, Ordering::SeqCst, Ordering::SeqCst)
    }

    /// Adds `n` and returns the previous value. Returns `None` and changes nothing if the sum does
    /// not fit.
    #[inline]
    pub fn add(&self, n: i64) -> Option<i64> {
        self.change(|value| value.checked_add(n))
    }

    /// Sets the bits of `mask` and returns the previous value.
    #[inline]
    pub fn or(&self, mask: i64) -> i64 {
        self.0.fetch_or(mask, Ordering::SeqCst)
    }

    /// Clears the bits outside `mask` and returns the previous value.
    #[inline]
    pub fn and(&self, mask: i64) -> i64 {
        self.0.fetch_and(mask, Ordering::SeqCst)
    }

    /// Flips the bits of `mask` and returns the previous value.
    #[inline]
    pub fn xor(&self, mask: i64) -> i64 {
        self.0.fetch_xor(mask, Ordering::SeqCst)
    }

    #[inline]
    fn change(&self, next: impl Fn(i64) -> Option<i64>) -> Option<i64> {
        let mut value = self.0.load(Ordering::Relaxed);
        let mut turns = 1;
        loop {
            match self.0.compare_exchange_weak(
                value,
                next(value)?,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(before) => return Some(before),
                Err(now) => value = now,
            }
            // A lost race means that other threads want the line: leave it to them for a moment.
            for _ in 0..turns {
                spin_loop();
            }
            turns = (turns * 2).min(MAX_BACKOFF);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_overflowing_addition_changes_nothing() {
        let int = Int::new(i64::MAX - 1);
        assert_eq!(int.add(1), Some(i64::MAX - 1));
        assert_eq!(int.add(1), None);
        assert_eq!(int.get(), i64::MAX);
        assert_eq!(int.add(i64::MIN), Some(i64::MAX));
        assert_eq!(int.add(-1), Some(-1));
    }

    #[test]
    fn concurrent_additions_all_count() {
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
