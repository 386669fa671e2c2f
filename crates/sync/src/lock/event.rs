//! Doors: a latch opens when it has been counted down and stays open, an event is opened and shut
//! at will.

use super::{Sleep, wait_for};
use crate::park::WaitSet;
use crate::prim::atomic::{AtomicBool, AtomicU64, Ordering};

/// Opens when it has been counted down to 0.
pub struct Latch {
    count: AtomicU64,
    waiters: WaitSet,
}

impl Latch {
    /// A latch that opens after `count` counts.
    pub fn new(count: u64) -> Self {
        Self { count: AtomicU64::new(count), waiters: WaitSet::default() }
    }

    /// What is left to count.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// How many threads wait.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }

    /// Counts down by `n`, at most to 0, and returns what is left.
    pub fn count_down(&self, n: u64) -> u64 {
        let mut count = self.count.load(Ordering::Relaxed);
        loop {
            let left = count.saturating_sub(n);
            match self.count.compare_exchange_weak(count, left, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    if left == 0 && count != 0 {
                        self.waiters.notify_all();
                    }
                    return left;
                }
                Err(now) => count = now,
            }
        }
    }

    /// Sleeps until the count is 0. False if the caller gave up.
    pub fn wait<E>(&self, sleep: impl Sleep<E>) -> Result<bool, E> {
        let subject = std::ptr::from_ref(self).addr();
        wait_for(&self.waiters, subject, false, || self.count() == 0, sleep)
    }
}

/// A flag to wait for.
#[derive(Default)]
pub struct Event {
    set: AtomicBool,
    waiters: WaitSet,
}

impl Event {
    /// Whether the flag is up.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Puts the flag up and wakes everyone who waits, even if it is taken down again at once.
    pub fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.waiters.notify_all();
    }

    /// Takes the flag down.
    pub fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }

    /// How many threads wait.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }

    /// Sleeps until the flag is up. False if the caller gave up.
    pub fn wait<E>(&self, sleep: impl Sleep<E>) -> Result<bool, E> {
        let subject = std::ptr::from_ref(self).addr();
        wait_for(&self.waiters, subject, true, || self.is_set(), sleep)
    }
}
