//! A stretch of a queue's cells: those of the tickets `id * CELLS ..`. Segments are linked in order
//! of their tickets, made when the first ticket of theirs is used and given back when both ends of
//! the queue have gone past them.

#![allow(unsafe_code)]

use super::reclaim::{Pin, defer};
use crate::prim::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use crate::prim::hint;
use std::ptr;

/// Tickets a segment has cells for.
#[cfg(not(loom))]
pub(super) const CELLS: u64 = 256;
/// Few, so that models cross from one segment to the next.
#[cfg(loom)]
pub(super) const CELLS: u64 = 2;

/// Cells on a cache line.
const LINE: u64 = if CELLS > 8 { 8 } else { 1 };

/// A cell nobody has used.
pub(super) const EMPTY: u64 = 0;
/// A cell whose ticket one side has given up. No word that is stored looks like it: words end in
/// `00`, `01` or `10`.
pub(super) const DEAD: u64 = 0b11;

#[repr(align(64))]
pub(super) struct Segment {
    cells: [AtomicU64; CELLS as usize],
    pub(super) id: u64,
    next: AtomicPtr<Segment>,
    /// How many of the queue's two ends have gone past.
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

    /// Gives the memory back. Nobody else can reach the segment any more: the callers' business.
    pub(super) fn free(segment: *mut Self) {
        // SAFETY: made by `make`; freed once, by the queue's drop or when the pins of its
        // retirement are gone.
        drop(unsafe { Box::from_raw(segment) });
    }

    /// Gives the segment back, later.
    fn retire(segment: *const Self, pin: &Pin) {
        let segment = segment as usize;
        defer(pin, move || Self::free(segment as *mut Self));
    }

    /// The cell of `ticket`, which is one of this segment's. Neighbouring tickets, which are in use
    /// at the same time, lie on different lines.
    #[inline]
    pub(super) fn cell(&self, ticket: u64) -> &AtomicU64 {
        let lines = CELLS / LINE;
        let index = ticket % CELLS;
        &self.cells[(index % lines * LINE + index / lines) as usize]
    }

    /// The next segment, if it is there.
    pub(super) fn next(&self) -> *mut Self {
        self.next.load(Ordering::Acquire)
    }

    /// The next segment, made if need be. Whoever is `first` makes it at once; the others give them
    /// a moment, so that not all make one.
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
        let there = self.next();
        if !there.is_null() {
            return there;
        }
        let fresh = Self::make(self.id + 1);
        match self.next.compare_exchange(
            ptr::null_mut(),
            fresh,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => fresh,
            Err(there) => {
                Self::free(fresh);
                there
            }
        }
    }
}

/// One end's way along the segments: a segment at or before that of every ticket that this end will
/// hand out.
pub(super) struct Path(AtomicPtr<Segment>);

impl Path {
    pub(super) fn new(segment: *mut Segment) -> Self {
        Self(AtomicPtr::new(segment))
    }

    /// Where to start from. To be asked before the ticket is claimed: afterwards it may be too far
    /// along.
    #[inline]
    pub(super) fn start<'p>(&self, _pin: &'p Pin) -> &'p Segment {
        // SAFETY: never null, and segments that a path led to are kept while the pin lasts.
        unsafe { &*self.0.load(Ordering::Acquire) }
    }

    /// The segment of `ticket`, from `start`. Moves the path along when it has come to another
    /// segment.
    #[inline]
    pub(super) fn find<'p>(&self, start: &'p Segment, ticket: u64, pin: &'p Pin) -> &'p Segment {
        if start.id == ticket / CELLS { start } else { self.walk(start, ticket, pin) }
    }

    #[cold]
    fn walk<'p>(&self, start: &'p Segment, ticket: u64, pin: &'p Pin) -> &'p Segment {
        let mut at = start;
        while at.id != ticket / CELLS {
            // SAFETY: as in `start`: reached from a segment that is kept, so kept as well.
            at = unsafe { &*at.next_or_make(ticket.is_multiple_of(CELLS)) };
        }
        loop {
            let here = self.start(pin);
            if here.id >= at.id {
                return at;
            }
            let from = ptr::from_ref(here).cast_mut();
            if self
                .0
                .compare_exchange(from, here.next(), Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
                && here.passed.fetch_add(1, Ordering::AcqRel) == 1
            {
                Segment::retire(here, pin);
            }
        }
    }

    /// Where the path has come to, for those who are alone with the queue.
    pub(super) fn here(&self) -> *mut Segment {
        self.0.load(Ordering::Acquire)
    }
}
