//! Which read-write locks the calling thread holds for reading, and how often: so that reading
//! again costs nothing and cannot deadlock behind a waiting writer, and a reader that asks to write
//! is told that it would wait for itself.

use std::cell::RefCell;

thread_local! {
    static MINE: RefCell<Vec<(u64, u32)>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread's holds.
pub struct Holds;

impl Holds {
    /// How often this thread holds the lock of that id.
    #[inline]
    pub fn count(id: u64) -> u32 {
        MINE.with_borrow(|mine| {
            mine.iter().rev().find(|hold| hold.0 == id).map_or(0, |hold| hold.1)
        })
    }

    /// One more hold of a lock held already. False if it is not.
    #[inline]
    pub fn again(id: u64) -> bool {
        MINE.with_borrow_mut(|mine| match mine.iter_mut().rev().find(|hold| hold.0 == id) {
            Some(hold) => {
                hold.1 = hold.1.saturating_add(1);
                true
            }
            None => false,
        })
    }

    /// The first hold.
    #[inline]
    pub fn begin(id: u64) {
        MINE.with_borrow_mut(|mine| mine.push((id, 1)));
    }

    /// One hold less; what is left, or None if there was none.
    #[inline]
    pub fn end(id: u64) -> Option<u32> {
        MINE.with_borrow_mut(|mine| {
            let place = mine.iter().rposition(|hold| hold.0 == id)?;
            mine[place].1 -= 1;
            let left = mine[place].1;
            if left == 0 {
                mine.swap_remove(place);
            }
            Some(left)
        })
    }
}
