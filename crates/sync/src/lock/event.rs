//! A latch, which opens once its count reaches 0 and stays open, and an event, which can be set and
//! cleared.

use super::{Sleep, wait_for};
use crate::park::WaitSet;
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering};

/// Opens when its count reaches 0.
pub struct Latch {
    /// Remaining count. Changed with AcqRel, read with Acquire, so that a thread that sees 0 sees
    /// everything done before the counts.
    count: AtomicU64,
    waiters: WaitSet,
}

impl Latch {
    pub fn new(count: u64) -> Self {
        Self { count: AtomicU64::new(count), waiters: WaitSet::default() }
    }

    /// Returns the remaining count.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Returns the number of waiting threads.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }

    /// Lowers the count by `n`, but not below 0, and returns the remaining count.
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

    /// Sleeps until the count is 0. Returns false if `sleep` gave up.
    pub fn wait<E>(&self, sleep: impl Sleep<E>) -> Result<bool, E> {
        let subject = std::ptr::from_ref(self).addr();
        wait_for(&self.waiters, subject, false, || self.count() == 0, sleep)
    }
}

/// A flag that threads can wait for (`threading.Event`).
#[derive(Default)]
pub struct Event {
    /// SeqCst: a change is visible to all threads before its call returns.
    set: AtomicBool,
    waiters: WaitSet,
}

impl Event {
    #[inline]
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// Sets the flag and wakes all waiting threads, even if the flag is cleared again at once.
    pub fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.waiters.notify_all();
    }

    pub fn clear(&self) {
        self.set.store(false, Ordering::SeqCst);
    }

    /// Returns the number of waiting threads.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }

    /// Sleeps until the flag is set. Returns false if `sleep` gave up.
    pub fn wait<E>(&self, sleep: impl Sleep<E>) -> Result<bool, E> {
        let subject = std::ptr::from_ref(self).addr();
        wait_for(&self.waiters, subject, true, || self.is_set(), sleep)
    }
}
