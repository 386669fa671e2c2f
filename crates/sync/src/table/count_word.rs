//! The words of counts: a number, or the address of a striped count with one cell per thread.

#![allow(unsafe_code)]

use super::shard::back_off;
use crate::owned::{Counted, Owned};
use crate::primitive::atomic::{AtomicBool, AtomicI64, Ordering};
use crate::stripe::{stripe_count, thread_number};
use crossbeam_utils::CachePadded;

/// Tag of a word that holds the count itself, in its upper 62 bits.
pub(super) const INT: u64 = 0b01;
/// Value of a closed cell: far below any sum of additions.
const CLOSED: i64 = i64::MIN / 2;
/// Limit of an addition to a cell. Larger ones go to the single word, so that no cell can overflow.
pub(super) const MAX_CELL_ADD: i64 = 1 << 20;

/// The count would not fit into 62 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// The count of a hot key, spread over cells.
pub(super) struct StripedCount {
    /// A partial sum each, or about [`CLOSED`] once closed. AcqRel.
    cells: Box<[CachePadded<AtomicI64>]>,
    /// Set by the one thread that sums up and closes the cells. AcqRel.
    closing: AtomicBool,
    /// Set with Release once `total` is final, read with Acquire.
    closed: AtomicBool,
    /// The final sum. Relaxed: ordered by `closed`.
    total: AtomicI64,
}

impl StripedCount {
    pub(super) fn new(initial: i64) -> Box<Self> {
        let cells: Box<[_]> =
            (0..stripe_count()).map(|_| CachePadded::new(AtomicI64::new(0))).collect();
        cells[0].store(initial, Ordering::Relaxed);
        Box::new(Self {
            cells,
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            total: AtomicI64::new(0),
        })
    }

    /// Adds `n`. Returns false if the count is closed.
    pub(super) fn add(&self, n: i64) -> bool {
        self.cells[thread_number() & (self.cells.len() - 1)].fetch_add(n, Ordering::AcqRel)
            > CLOSED / 2
    }

    /// Returns the sum. Once closed, it never changes.
    pub(super) fn sum(&self) -> i64 {
        let sum = self
            .cells
            .iter()
            .fold(0i64, |sum, cell| sum.wrapping_add(cell.load(Ordering::Acquire)));
        if self.closing.load(Ordering::Acquire) { self.closed_sum() } else { sum }
    }

    /// Closes the cells to further additions and returns the final sum.
    pub(super) fn close(&self) -> i64 {
        if !self.closing.swap(true, Ordering::AcqRel) {
            let cells = self.cells.iter();
            let sum =
                cells.fold(0i64, |sum, cell| sum.wrapping_add(cell.swap(CLOSED, Ordering::AcqRel)));
            self.total.store(sum, Ordering::Relaxed);
            self.closed.store(true, Ordering::Release);
        }
        self.closed_sum()
    }

    fn closed_sum(&self) -> i64 {
        let mut turns = 0;
        while !self.closed.load(Ordering::Acquire) {
            back_off(&mut turns);
        }
        self.total.load(Ordering::Relaxed)
    }
}

/// Counts the table's values, which are numbers or addresses of [`StripedCount`]s.
pub(super) struct CountWord;

// SAFETY: these words are not reference-counted. A striped count is read only inside the table,
// under an epoch guard, and freed once no thread is inside any more.
unsafe impl Counted for CountWord {
    unsafe fn try_retain(_word: u64) -> bool {
        true
    }

    unsafe fn release(word: u64) {
        if is_striped(word) {
            #[cfg(not(loom))]
            // SAFETY: from a box, and removed from the table.
            unsafe {
                let count = word as usize as *mut StripedCount;
                crossbeam_epoch::pin().defer_unchecked(move || drop(Box::from_raw(count)));
            }
        }
    }
}

pub(super) fn is_striped(word: u64) -> bool {
    word & 0b11 == 0 && word != 0
}

/// # Safety
/// `word` is a striped count that was read from the table under the caller's epoch guard.
pub(super) unsafe fn striped<'a>(word: u64) -> &'a StripedCount {
    // SAFETY: the caller's contract.
    unsafe { &*(word as usize as *const StripedCount) }
}

pub(super) fn pack(n: i64) -> Result<u64, Overflow> {
    if (n << 2) >> 2 == n { Ok((n << 2) as u64 | INT) } else { Err(Overflow) }
}

/// Returns the word of a number that is known to fit.
pub(super) fn count_word(n: i64) -> Owned<CountWord> {
    // SAFETY: such a word is not reference-counted and is not a mark.
    unsafe { Owned::from_raw(pack(n).unwrap_or(INT)) }
}

pub(super) fn unpack(word: u64) -> i64 {
    (word as i64) >> 2
}

/// Returns the count that a live word stands for.
///
/// # Safety
/// As for [`striped`].
pub(super) unsafe fn number(word: u64) -> i64 {
    // SAFETY: the caller's contract.
    if is_striped(word) { unsafe { striped(word) }.sum() } else { unpack(word) }
}
