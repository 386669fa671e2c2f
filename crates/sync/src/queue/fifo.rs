//! A FIFO queue for any number of producers and consumers, with an exact bound.
//!
//! The algorithm is the FAA array queue of Correia and Ramalhete ("FAAArrayQueue", 2016), which
//! simplifies Morrison and Afek's LCRQ ("Fast Concurrent Queues for x86 Processors", PPoPP 2013).
//! Every put claims a ticket from `tail` and every take claims one from `head`, each by one
//! fetch-and-add. The put and the take with the same ticket meet in that ticket's cell. A take that
//! arrives before the put has claimed its ticket marks the cell [`DEAD`], and the put that finds it
//! dead claims another ticket. A take only reads the cell it takes from. A take never abandons a
//! ticket that a put has claimed already: another thread may have found the queue full because of
//! that ticket, and its answer must stay true.
//!
//! Tickets only increase. `tail - head` is therefore the number of items (none if negative: then
//! takes are ahead), and the bound needs no third counter: ticket `t` may be used once `t < head +
//! bound`. Puts compare with a cached copy of `head`, which can only be too low, and read `head`
//! itself when the copy says that the queue is full.
//!
//! An optimistic claim, a fetch-and-add without a check before it, may yield a useless ticket: to a
//! take if the queue is empty, to a put if it is full. The take leaves a dead cell behind, the put
//! an abandoned ticket (`abandoned_tickets.rs`). A thread therefore claims optimistically only
//! while that has succeeded lately (`optimism_hint.rs`). Otherwise it checks first, and puts then
//! claim by compare-and-swap.
//!
//! Closing sets the top bit of `tail`. Every ticket claimed later shows that bit, so no put that
//! follows a close succeeds, and no item put before is lost.

#![allow(unsafe_code)]

use super::abandoned_tickets::AbandonedTickets;
use super::error::{TryPopError, TryPushError};
use super::optimism_hint;
use super::reclaim::{self, Pin};
use super::segment::{DEAD, EMPTY, Segment, SegmentCursor};
use crate::owned::{Counted, Owned};
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::primitive::hint;
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;

const CLOSED: u64 = 1 << 63;
/// The bound of an unbounded queue: more than there will ever be tickets.
const UNBOUNDED: u64 = 1 << 62;
/// Free cells that a put must see before it becomes optimistic: more than the number of threads
/// likely to put optimistically at once.
const MIN_FREE_FOR_OPTIMISM: u64 = if cfg!(loom) { 2 } else { 64 };
/// How often a take polls the cell of a claimed put before it yields.
const SPIN_LIMIT: u32 = if cfg!(loom) { 0 } else { 64 };

/// State that every operation reads and that changes rarely.
struct Cursors {
    tail: SegmentCursor,
    head: SegmentCursor,
    /// A past value of the queue's `head`, so never too high. Relaxed.
    known_head: AtomicU64,
    bound: u64,
}

/// The queue. It owns one count of each word in it. The words are never 0 and never end in `11`
/// (see [`Owned::from_raw`]).
pub struct Fifo<C: Counted> {
    /// Bits 0 to 62: the next ticket of a put. Bit 63: [`CLOSED`]. Claimed with SeqCst, as is
    /// `head`: checks for full and empty compare the two.
    tail: CachePadded<AtomicU64>,
    /// The next ticket of a take. Claimed with SeqCst.
    head: CachePadded<AtomicU64>,
    cursors: CachePadded<Cursors>,
    abandoned: CachePadded<AbandonedTickets>,
    /// Number of put tickets that carried no item: abandoned, or found dead. SeqCst.
    wasted: AtomicU64,
    /// The value of `tail` when its top bit was set. Meaningless before.
    closed_at: AtomicU64,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Fifo<C> {
    /// Creates an empty queue for at most `bound` items, or unbounded.
    pub fn new(bound: Option<u64>) -> Self {
        let first = Segment::make(0);
        Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            cursors: CachePadded::new(Cursors {
                tail: SegmentCursor::new(first),
                head: SegmentCursor::new(first),
                known_head: AtomicU64::new(0),
                bound: bound.map_or(UNBOUNDED, |bound| bound.min(UNBOUNDED)),
            }),
            abandoned: CachePadded::default(),
            wasted: AtomicU64::new(0),
            closed_at: AtomicU64::new(0),
            counted: PhantomData,
        }
    }

    /// Returns the next put ticket and whether the queue is closed.
    fn tail_and_closed(&self) -> (u64, bool) {
        let tail = self.tail.load(Ordering::SeqCst);
        if tail & CLOSED == 0 {
            (tail, false)
        } else {
            (self.closed_at.load(Ordering::Acquire), true)
        }
    }

    /// Returns the number of items.
    pub fn len(&self) -> u64 {
        // `head` is read twice, so that both values belong to one moment if a few attempts suffice.
        let mut attempts = if cfg!(loom) { 1 } else { 8 };
        loop {
            let head = self.head.load(Ordering::SeqCst);
            let (tail, _) = self.tail_and_closed();
            attempts -= 1;
            if attempts == 0 || self.head.load(Ordering::SeqCst) == head {
                let abandoned = self.abandoned.count_between(head, tail);
                return tail.saturating_sub(head).saturating_sub(abandoned).min(self.cursors.bound);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true if the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.tail.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Returns the number of puts that have succeeded or are about to.
    pub fn puts(&self) -> u64 {
        let wasted = self.wasted.load(Ordering::SeqCst);
        self.tail_and_closed().0.saturating_sub(wasted)
    }

    /// Closes the queue: all later puts fail.
    pub fn close(&self) {
        loop {
            let tail = self.tail.load(Ordering::SeqCst);
            if tail & CLOSED != 0 {
                return;
            }
            // Other closers may write it too, but none has seen a later ticket than the one whose
            // exchange succeeds.
            self.closed_at.fetch_max(tail, Ordering::SeqCst);
            let closed = tail | CLOSED;
            if self.tail.compare_exchange(tail, closed, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                return;
            }
        }
    }

    /// Appends `item`.
    #[inline]
    pub fn put(&self, item: Owned<C>) -> Result<(), TryPushError<Owned<C>>> {
        match self.put_word(item.as_raw()) {
            Ok(()) => {
                // The queue now owns the count.
                item.into_raw();
                Ok(())
            }
            Err(error) => Err(error.with(item)),
        }
    }

    #[inline]
    fn put_word(&self, word: u64) -> Result<(), TryPushError<()>> {
        let pin = reclaim::pin();
        let mut optimistic =
            self.cursors.bound == UNBOUNDED || optimism_hint::puts_succeed(self.key());
        loop {
            let start = self.cursors.tail.start(&pin);
            let ticket = if optimistic {
                self.tail.fetch_add(1, Ordering::SeqCst)
            } else {
                self.claim_free_tickets(1)?.0
            };
            if ticket & CLOSED != 0 {
                return Err(TryPushError::Closed(()));
            }
            let cell = self.cursors.tail.find(start, ticket, &pin).cell(ticket);
            if optimistic && !self.fits(ticket) && self.abandon(ticket, cell) {
                optimistic = false;
                optimism_hint::put_failed();
                continue;
            }
            // SeqCst: a full barrier on x86, after which the caller may check for waiters at once.
            if cell.compare_exchange(EMPTY, word, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
            self.wasted.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Appends as many of `items` as fit, in order, and returns how many. The others stay in the
    /// iterator.
    pub fn put_many(&self, items: &mut std::vec::IntoIter<Owned<C>>) -> usize {
        let pin = reclaim::pin();
        let before = items.len();
        while items.len() > 0 {
            let mut segment = self.cursors.tail.start(&pin);
            let Ok((first, claimed)) = self.claim_free_tickets(items.len() as u64) else { break };
            for ticket in first..first + claimed {
                segment = self.cursors.tail.find(segment, ticket, &pin);
                let word = items.as_slice()[0].as_raw();
                if segment
                    .cell(ticket)
                    .compare_exchange(EMPTY, word, Ordering::SeqCst, Ordering::Relaxed)
                    .is_ok()
                {
                    // The queue now owns the count.
                    items.next().map(Owned::into_raw);
                } else {
                    self.wasted.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        before - items.len()
    }

    /// Returns true if the bound permits the item of `ticket`.
    #[inline]
    fn fits(&self, ticket: u64) -> bool {
        let known = self.cursors.known_head.load(Ordering::Relaxed);
        ticket < known + self.cursors.bound || self.fits_now(ticket)
    }

    #[cold]
    fn fits_now(&self, ticket: u64) -> bool {
        let head = self.head.load(Ordering::SeqCst);
        self.cursors.known_head.store(head, Ordering::Relaxed);
        ticket < head + self.cursors.bound + self.abandoned.count_between(head, ticket)
    }

    /// Abandons a ticket that does not fit. Returns false if it fits by now.
    #[cold]
    fn abandon(&self, ticket: u64, cell: &AtomicU64) -> bool {
        let mut abandoned = false;
        self.abandoned.record(ticket, || {
            // Checked again after the recording has started: a thread that counts this ticket as an
            // item before that is right.
            abandoned = !self.fits_now(ticket);
            let marked = abandoned
                && cell.compare_exchange(EMPTY, DEAD, Ordering::SeqCst, Ordering::Relaxed).is_ok();
            if abandoned {
                self.wasted.fetch_add(1, Ordering::SeqCst);
            }
            // If a take had abandoned the ticket before, it is no longer between head and tail.
            marked
        });
        abandoned
    }

    /// Claims up to `wanted` tickets that fit. Returns the first one and how many.
    fn claim_free_tickets(&self, wanted: u64) -> Result<(u64, u64), TryPushError<()>> {
        loop {
            let finished = self.abandoned.finished();
            let tail = self.tail.load(Ordering::SeqCst);
            if tail & CLOSED != 0 {
                return Err(TryPushError::Closed(()));
            }
            // Read after `tail`: if the queue seems full now, it is full at this moment.
            let head = self.head.load(Ordering::SeqCst);
            let limit = head + self.cursors.bound + self.abandoned.count_between(head, tail);
            let free = limit.saturating_sub(tail);
            if free == 0 {
                if self.abandoned.none_started_since(finished) {
                    return Err(TryPushError::Full(()));
                }
                crate::primitive::thread::yield_now();
                continue;
            }
            let count = wanted.min(free);
            if self
                .tail
                .compare_exchange(tail, tail + count, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
            {
                if free >= MIN_FREE_FOR_OPTIMISM {
                    optimism_hint::put_succeeded(self.key());
                }
                return Ok((tail, count));
            }
            hint::spin_loop();
        }
    }

    /// Removes and returns the oldest item.
    #[inline]
    pub fn take(&self) -> Result<Owned<C>, TryPopError> {
        let pin = reclaim::pin();
        if optimism_hint::takes_succeed(self.key())
            && let Some(item) = self.claim_and_take(&pin)
        {
            return Ok(item);
        }
        loop {
            let head = self.head.load(Ordering::SeqCst);
            // Read after `head`: if the queue seems empty now, it is empty at this moment.
            let (tail, closed) = self.tail_and_closed();
            if tail <= head {
                optimism_hint::take_failed();
                return Err(TryPopError::of_empty(closed));
            }
            if let Some(item) = self.claim_and_take(&pin) {
                if tail - head > 1 {
                    optimism_hint::take_succeeded(self.key());
                }
                return Ok(item);
            }
        }
    }

    /// Removes up to `wanted` items, oldest first, and passes them to `each`. Returns how many
    /// there were.
    pub fn take_many(&self, wanted: usize, mut each: impl FnMut(Owned<C>)) -> usize {
        let pin = reclaim::pin();
        let mut taken = 0;
        while taken < wanted {
            let mut segment = self.cursors.head.start(&pin);
            let head = self.head.load(Ordering::SeqCst);
            let (tail, _) = self.tail_and_closed();
            if tail <= head {
                break;
            }
            let count = (tail - head).min((wanted - taken) as u64);
            if self
                .head
                .compare_exchange(head, head + count, Ordering::SeqCst, Ordering::Relaxed)
                .is_err()
            {
                hint::spin_loop();
                continue;
            }
            for ticket in head..head + count {
                segment = self.cursors.head.find(segment, ticket, &pin);
                if let Some(item) = self.take_from_cell(ticket, segment.cell(ticket)) {
                    taken += 1;
                    each(item);
                }
            }
        }
        taken
    }

    #[inline]
    fn claim_and_take(&self, pin: &Pin) -> Option<Owned<C>> {
        let start = self.cursors.head.start(pin);
        let ticket = self.head.fetch_add(1, Ordering::SeqCst);
        self.take_from_cell(ticket, self.cursors.head.find(start, ticket, pin).cell(ticket))
    }

    /// Takes the item of a ticket that this thread claimed. Abandons the ticket if no put has
    /// claimed it.
    #[inline]
    fn take_from_cell(&self, ticket: u64, cell: &AtomicU64) -> Option<Owned<C>> {
        let word = cell.load(Ordering::Acquire);
        let word =
            if word != EMPTY && word != DEAD { word } else { self.wait_or_abandon(ticket, cell)? };
        // SAFETY: a put left the count in the cell, and only the claimant of the ticket takes it.
        Some(unsafe { Owned::from_raw(word) })
    }

    /// Abandons the ticket if no put has claimed it. A ticket that a put has claimed counts as an
    /// item from then on and is filled within a few instructions, by a thread that nothing blocks,
    /// so this waits for it.
    #[cold]
    fn wait_or_abandon(&self, ticket: u64, cell: &AtomicU64) -> Option<u64> {
        if self.tail_and_closed().0 <= ticket {
            return match cell.compare_exchange(EMPTY, DEAD, Ordering::SeqCst, Ordering::Acquire) {
                Err(word) if word != DEAD => Some(word),
                _ => None,
            };
        }
        let mut spins = 0_u32;
        loop {
            match cell.load(Ordering::Acquire) {
                EMPTY if spins < SPIN_LIMIT => hint::spin_loop(),
                EMPTY => crate::primitive::thread::yield_now(),
                // Abandoned by the put.
                DEAD => return None,
                word => return Some(word),
            }
            spins = spins.saturating_add(1);
        }
    }

    /// Calls `each` with every item, for the garbage collector.
    ///
    /// # Safety
    /// No other thread uses the queue during the call, and neither does `each`.
    pub unsafe fn for_each(&self, mut each: impl FnMut(&Owned<C>)) {
        // SAFETY: the queue owns the count of each word in it, and no thread takes one out.
        self.walk(|word| unsafe { Owned::with_borrowed(word, &mut each) }, |_| ());
    }

    /// Calls `each` with the word of every item, and `leave` with every segment after its cells.
    fn walk(&self, mut each: impl FnMut(u64), mut leave: impl FnMut(*mut Segment)) {
        let (tail, _) = self.tail_and_closed();
        let mut next = self.head.load(Ordering::SeqCst);
        // SAFETY: cursors are never null and point to linked segments; no other thread is active.
        let (a, b) = unsafe { (&*self.cursors.head.current(), &*self.cursors.tail.current()) };
        let mut at = std::ptr::from_ref(if a.id <= b.id { a } else { b }).cast_mut();
        while !at.is_null() {
            // SAFETY: as above, or the successor of such a segment.
            let segment = unsafe { &*at };
            while next < tail && next / super::segment::CELLS == segment.id {
                let word = segment.cell(next).load(Ordering::Acquire);
                if word != EMPTY && word != DEAD {
                    each(word);
                }
                next += 1;
            }
            let after = segment.next();
            leave(at);
            at = after;
        }
    }

    /// Identifies this queue in [`optimism_hint`].
    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<C: Counted> Drop for Fifo<C> {
    fn drop(&mut self) {
        let (mut words, mut segments) = (Vec::new(), Vec::new());
        self.walk(|word| words.push(word), |segment| segments.push(segment));
        segments.into_iter().for_each(Segment::free);
        for word in words {
            // SAFETY: the queue owned this count.
            unsafe { C::dispose(word) };
        }
    }
}

#[cfg(test)]
#[path = "fifo_tests.rs"]
mod tests;
