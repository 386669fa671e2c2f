//! Per-thread record of the read-write locks the calling thread holds for reading, and how often.
//! It makes a nested read free, keeps it from deadlocking behind a waiting writer, and detects a
//! reader that asks to write and would wait for itself.

use std::cell::RefCell;

thread_local! {
/// Lock ids and hold counts.
    static MINE: RefCell<Vec<(u64, u32)>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread's read holds.
pub struct ReadHolds;

impl ReadHolds {
    /// Returns how often the calling thread holds the lock `id`.
    #[inline]
    pub fn count(id: u64) -> u32 {
        MINE.with_borrow(|mine| {
            mine.iter().rev().find(|hold| hold.0 == id).map_or(0, |hold| hold.1)
        })
    }

    /// Counts one more hold of a lock that is held already. Returns false if it is not held.
    #[inline]
    pub fn increment(id: u64) -> bool {
        MINE.with_borrow_mut(|mine| match mine.iter_mut().rev().find(|hold| hold.0 == id) {
            Some(hold) => {
                hold.1 = hold.1.saturating_add(1);
                true
            }
            None => false,
        })
    }

    /// Records the first hold of a lock.
    #[inline]
    pub fn insert(id: u64) {
        MINE.with_borrow_mut(|mine| mine.push((id, 1)));
    }

    /// Removes one hold. Returns how many are left, or `None` if there was none.
    #[inline]
    pub fn decrement(id: u64) -> Option<u32> {
        MINE.with_borrow_mut(|mine| {
            let index = mine.iter().rposition(|hold| hold.0 == id)?;
            mine[index].1 -= 1;
            let left = mine[index].1;
            if left == 0 {
                mine.swap_remove(index);
            }
            Some(left)
        })
    }
}
