//! How many workers there are, and how many of them wait for another's work. Both in one word, so
//! that whoever decides to hire or to leave decides on one state of affairs.
//!
//! A worker that waits is not at work, so another may be hired in its place; when the wait is over
//! there is one too many, and the next that has nothing better to do leaves.

use crate::prim::atomic::{AtomicU64, Ordering};

/// Waiting workers are replaced up to this many.
const SUBSTITUTES: u64 = 512;
const WAITING: u64 = 1 << 32;

/// The head count.
#[derive(Default)]
pub struct Staff(AtomicU64);

fn read(state: u64) -> (u64, u64) {
    (state & (WAITING - 1), state >> 32)
}

impl Staff {
    /// Takes one more on, if fewer than `wanted` are at work. Who is taken on must come, or
    /// [`Self::leave`].
    #[inline]
    pub fn hire(&self, wanted: usize) -> bool {
        let mut state = self.0.load(Ordering::SeqCst);
        loop {
            let (all, waiting) = read(state);
            if all >= waiting.min(SUBSTITUTES) + wanted as u64 {
                return false;
            }
            match self.0.compare_exchange(state, state + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }

    /// One leaves. Returns how many there are left.
    pub fn leave(&self) -> usize {
        read(self.0.fetch_sub(1, Ordering::SeqCst) - 1).0 as usize
    }

    /// One leaves if there are more at work than `wanted`.
    #[inline]
    pub fn leave_if_surplus(&self, wanted: usize) -> bool {
        let mut state = self.0.load(Ordering::SeqCst);
        loop {
            let (all, waiting) = read(state);
            if all <= waiting + wanted as u64 {
                return false;
            }
            match self.0.compare_exchange(state, state - 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }

    /// A worker begins to wait for another's work.
    pub fn begin_wait(&self) {
        self.0.fetch_add(WAITING, Ordering::SeqCst);
    }

    /// It goes on.
    pub fn end_wait(&self) {
        self.0.fetch_sub(WAITING, Ordering::SeqCst);
    }

    /// Whether so many wait that no more are taken on in their place.
    pub fn is_exhausted(&self) -> bool {
        read(self.0.load(Ordering::SeqCst)).1 >= SUBSTITUTES
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        read(self.0.load(Ordering::SeqCst)).0 as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_replaced_and_who_is_too_many_leaves() {
        let staff = Staff::default();
        assert!(staff.hire(1));
        assert!(!staff.hire(1));
        staff.begin_wait();
        assert!(staff.hire(1));
        assert!(!staff.hire(1));
        assert!(!staff.leave_if_surplus(1));
        staff.end_wait();
        assert!(staff.leave_if_surplus(1));
        assert!(!staff.leave_if_surplus(1));
        assert_eq!(staff.leave(), 0);
    }
}
