//! The number of workers and how many of them are blocked on another worker's result. Both counts
//! share one word, so that a decision to start or end a worker is based on a consistent state.
//!
//! A blocked worker does no work, so another may be started in its place (as in Java's
//! `ForkJoinPool`). When it resumes there is one worker too many, and the next idle one leaves.

use crate::primitive::atomic::{AtomicU64, Ordering};

/// Blocked workers are replaced up to this number.
const MAX_SUBSTITUTES: u64 = 512;
const ONE_BLOCKED: u64 = 1 << 32;

/// The worker count.
#[derive(Default)]
pub struct WorkerCount(
    /// Bits 0 to 31: workers, blocked ones included. Bits 32 to 63: blocked workers. All accesses
    /// are SeqCst.
    AtomicU64,
);

/// Splits the word into the number of workers and the number of blocked ones.
fn unpack(state: u64) -> (u64, u64) {
    (state & (ONE_BLOCKED - 1), state >> 32)
}

impl WorkerCount {
    /// Adds a worker if fewer than `wanted` are unblocked. On `true` the caller must start the
    /// worker or call [`Self::leave`].
    #[inline]
    pub fn try_add(&self, wanted: usize) -> bool {
        let mut state = self.0.load(Ordering::SeqCst);
        loop {
            let (all, blocked) = unpack(state);
            if all >= blocked.min(MAX_SUBSTITUTES) + wanted as u64 {
                return false;
            }
            match self.0.compare_exchange(state, state + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }

    /// Removes a worker. Returns how many are left.
    pub fn leave(&self) -> usize {
        unpack(self.0.fetch_sub(1, Ordering::SeqCst) - 1).0 as usize
    }

    /// Removes a worker if more than `wanted` are unblocked.
    #[inline]
    pub fn leave_if_surplus(&self, wanted: usize) -> bool {
        let mut state = self.0.load(Ordering::SeqCst);
        loop {
            let (all, blocked) = unpack(state);
            if all <= blocked + wanted as u64 {
                return false;
            }
            match self.0.compare_exchange(state, state - 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }

    /// Records that a worker blocks on another worker's result.
    pub fn begin_blocking(&self) {
        self.0.fetch_add(ONE_BLOCKED, Ordering::SeqCst);
    }

    /// Records that a blocked worker resumes.
    pub fn end_blocking(&self) {
        self.0.fetch_sub(ONE_BLOCKED, Ordering::SeqCst);
    }

    /// Returns true if so many workers are blocked that no more substitutes are started.
    pub fn is_exhausted(&self) -> bool {
        unpack(self.0.load(Ordering::SeqCst)).1 >= MAX_SUBSTITUTES
    }

    /// Returns the number of workers, blocked ones included.
    pub fn len(&self) -> usize {
        unpack(self.0.load(Ordering::SeqCst)).0 as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn blocked_workers_are_replaced_and_surplus_workers_leave() {
        let workers = WorkerCount::default();
        assert!(workers.try_add(1));
        assert!(!workers.try_add(1));
        workers.begin_blocking();
        assert!(workers.try_add(1));
        assert!(!workers.try_add(1));
        assert!(!workers.leave_if_surplus(1));
        workers.end_blocking();
        assert!(workers.leave_if_surplus(1));
        assert!(!workers.leave_if_surplus(1));
        assert_eq!(workers.leave(), 0);
    }
}
