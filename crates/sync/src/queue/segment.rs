//! A segment holds the cells of the tickets `id * CELLS ..`. Segments are linked in the order of
//! their tickets, created when their first ticket is used, and freed when both ends of the queue
//! have passed them.

#![allow(unsafe_code)]

use super::reclaim::{Pin, defer};
use crate::primitive::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use crate::primitive::hint;
use std::ptr;

/// Number of tickets per segment.
#[cfg(not(loom))]
pub(super) const CELLS: u64 = 256;
/// Small, so that models cross segment boundaries.
#[cfg(loom)]
pub(super) const CELLS: u64 = 2;

/// Number of cells per cache line.
const LINE: u64 = if CELLS > 8 { 8 } else { 1 };

/// A cell that has not been used.
pub(super) const EMPTY: u64 = 0;
/// A cell whose ticket one side has abandoned. Stored words end in `00`, `01` or `10`, so none
/// equals it.
pub(super) const DEAD: u64 = 0b11;

#[repr(align(64))]
pub(super) struct Segment {
    /// [`EMPTY`], a stored word, or [`DEAD`]; each changes at most once, by SeqCst
    /// compare-and-swap. Takes read with Acquire.
    cells: [AtomicU64; CELLS as usize],
    pub(super) id: u64,
    /// Null until the next segment exists. Published with AcqRel, read with Acquire.
    next: AtomicPtr<Segment>,
    /// Number of the queue's two ends that have passed this segment. AcqRel: the second one retires
    /// it.
    passed: AtomicU8,
}

impl Segment {
    pub(super) fn make(id: u64) -> *mut Self {
        Box::into_raw(Box::new(Self {
            cells: std::array::from_fn(|_| AtomicU64::new(EMPTY)),
            id,
            next: AtomicPtr::new(ptr::null_mut()),
            passed: AtomicU8::new(0),
        }))
    }

    /// Frees the segment. The caller ensures that no other thread can reach it any more.
    pub(super) fn free(segment: *mut Self) {
        // SAFETY: allocated by `make`; freed once, by the queue's drop or after the epoch of its
        // retirement.
        drop(unsafe { Box::from_raw(segment) });
    }

    /// Frees the segment once no thread can be using it.
    fn retire(segment: *const Self, pin: &Pin) {
        let segment = segment as usize;
        defer(pin, move || Self::free(segment as *mut Self));
    }

    /// Returns the cell of `ticket`, which must belong to this segment. Consecutive tickets, which
    /// are in use at the same time, are on different cache lines.
    #[inline]
    pub(super) fn cell(&self, ticket: u64) -> &AtomicU64 {
        let lines = CELLS / LINE;
        let index = ticket % CELLS;
        &self.cells[(index % lines * LINE + index / lines) as usize]
    }

    /// Returns the next segment, or null.
    pub(super) fn next(&self) -> *mut Self {
        self.next.load(Ordering::Acquire)
    }

    /// Returns the next segment, creating it if needed. A caller that is `first` creates it at
    /// once; the others wait a moment for it, so that not every thread allocates one.
    #[cold]
    fn next_or_make(&self, first: bool) -> *mut Self {
        if !first && !cfg!(loom) {
            for _ in 0..64 {
                if !self.next().is_null() {
                    break;
                }
                hint::spin_loop();
            }
        }
        let existing = self.next();
        if !existing.is_null() {
            return existing;
        }
        let fresh = Self::make(self.id + 1);
        match self.next.compare_exchange(
            ptr::null_mut(),
            fresh,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => fresh,
            Err(existing) => {
                Self::free(fresh);
                existing
            }
        }
    }
}

/// The position of one end of the queue in the list of segments: a segment at or before that of
/// every ticket this end will claim.
pub(super) struct SegmentCursor(
    /// Never null. Advanced with AcqRel, read with Acquire.
    AtomicPtr<Segment>,
);

impl SegmentCursor {
    pub(super) fn new(segment: *mut Segment) -> Self {
        Self(AtomicPtr::new(segment))
    }

    /// Returns the segment to search from. Must be called before the ticket is claimed: afterwards
    /// the cursor may have moved too far.
    #[inline]
    pub(super) fn start<'p>(&self, _pin: &'p Pin) -> &'p Segment {
        // SAFETY: never null, and segments reached from a cursor are kept while the pin lasts.
        unsafe { &*self.0.load(Ordering::Acquire) }
    }

    /// Returns the segment of `ticket`, searching from `start`. Advances the cursor if that is
    /// another segment.
    #[inline]
    pub(super) fn find<'p>(&self, start: &'p Segment, ticket: u64, pin: &'p Pin) -> &'p Segment {
        if start.id == ticket / CELLS { start } else { self.walk(start, ticket, pin) }
    }

    #[cold]
    fn walk<'p>(&self, start: &'p Segment, ticket: u64, pin: &'p Pin) -> &'p Segment {
        let mut at = start;
        while at.id != ticket / CELLS {
            // SAFETY: reached from a segment that is kept, so kept as well (see `start`).
            at = unsafe { &*at.next_or_make(ticket.is_multiple_of(CELLS)) };
        }
        loop {
            let current = self.start(pin);
            if current.id >= at.id {
                return at;
            }
            let from = ptr::from_ref(current).cast_mut();
            if self
                .0
                .compare_exchange(from, current.next(), Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
                && current.passed.fetch_add(1, Ordering::AcqRel) == 1
            {
                Segment::retire(current, pin);
            }
        }
    }

    /// Returns the current segment. For callers with exclusive access to the queue.
    pub(super) fn current(&self) -> *mut Segment {
        self.0.load(Ordering::Acquire)
    }
}
