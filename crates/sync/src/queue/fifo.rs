//! First in, first out, between any number of producers and consumers, with an exact bound.
//!
//! Every put draws a ticket from `tail` and every take one from `head`, by one fetch-and-add each;
//! the two that drew the same number meet in that ticket's cell. A taker that has come before any
//! putter drew its ticket marks the cell dead, and the putter that finds it so draws again (the
//! "FAA array queue" of Correia and Ramalhete, after Morrison and Afek's LCRQ). A taker only reads
//! the cell it takes from. It does not give up a ticket that a putter has drawn: who saw the queue
//! full because of that ticket would have been told something untrue.
//!
//! Tickets count up for ever, so that `tail - head` is the number of items (none, if it is
//! negative: then takers are ahead), and the bound costs no third counter: ticket `t` may be used
//! once `t < head + bound`. Putters compare with a stale copy of `head`, which can only be too low,
//! and read `head` itself when that says full.
//!
//! Who draws blindly may draw a ticket that is of no use: a taker when there is no item, a putter
//! when there is no room. The first leaves a dead cell behind, the second a hole (`holes.rs`). So a
//! thread draws blindly only while that has been going well: otherwise it looks first, and putters
//! then draw by compare-and-swap.
//!
//! Closing sets the top bit of `tail`. A ticket drawn later shows it, so no put that follows a
//! close gets in, and none that came before is lost.

#![allow(unsafe_code)]

use super::error::{TryPopError, TryPushError};
use super::holes::Holes;
use super::reclaim::{self, Pin};
use super::segment::{DEAD, EMPTY, Path, Segment};
use super::trust;
use crate::owned::{Counted, Owned};
use crate::prim::atomic::{AtomicU64, Ordering};
use crate::prim::hint;
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;

const CLOSED: u64 = 1 << 63;
/// The bound of a queue without one: more than there will ever be tickets.
const UNBOUNDED: u64 = 1 << 62;
/// How much room makes a putter draw blindly: more than there are threads likely to do so at the
/// same time.
const AMPLE: u64 = if cfg!(loom) { 2 } else { 64 };
/// How often a taker looks for what a putter that has drawn its ticket is about to store, before it
/// lets others run.
const PATIENCE: u32 = if cfg!(loom) { 0 } else { 64 };

/// What is read with every operation and changes seldom.
struct Ways {
    tail: Path,
    head: Path,
    /// A value `head` has had.
    known_head: AtomicU64,
    bound: u64,
}

/// The queue. It owns one count of each word in it, none of which is 0 or ends in `11` (see
/// [`Owned::from_raw`]).
pub struct Fifo<C: Counted> {
    tail: CachePadded<AtomicU64>,
    head: CachePadded<AtomicU64>,
    ways: CachePadded<Ways>,
    holes: CachePadded<Holes>,
    /// Tickets that putters drew in vain.
    wasted: AtomicU64,
    /// Where `tail` was when the top bit was set; means nothing before.
    closed_at: AtomicU64,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Fifo<C> {
    /// An empty queue for at most `bound` items, or for any number.
    pub fn new(bound: Option<u64>) -> Self {
        let first = Segment::make(0);
        Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            ways: CachePadded::new(Ways {
                tail: Path::new(first),
                head: Path::new(first),
                known_head: AtomicU64::new(0),
                bound: bound.map_or(UNBOUNDED, |bound| bound.min(UNBOUNDED)),
            }),
            holes: CachePadded::default(),
            wasted: AtomicU64::new(0),
            closed_at: AtomicU64::new(0),
            counted: PhantomData,
        }
    }

    /// Where the next put goes, and whether there will be none.
    fn end(&self) -> (u64, bool) {
        let tail = self.tail.load(Ordering::SeqCst);
        if tail & CLOSED == 0 {
            (tail, false)
        } else {
            (self.closed_at.load(Ordering::Acquire), true)
        }
    }

    /// How many items there are.
    pub fn len(&self) -> u64 {
        // The head is read again, so that both are of one moment if a few attempts are enough for
        // that.
        let mut attempts = if cfg!(loom) { 1 } else { 8 };
        loop {
            let head = self.head.load(Ordering::SeqCst);
            let (tail, _) = self.end();
            attempts -= 1;
            if attempts == 0 || self.head.load(Ordering::SeqCst) == head {
                let holes = self.holes.between(head, tail);
                return tail.saturating_sub(head).saturating_sub(holes).min(self.ways.bound);
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        self.tail.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many puts have succeeded (or are about to).
    pub fn puts(&self) -> u64 {
        let wasted = self.wasted.load(Ordering::SeqCst);
        self.end().0.saturating_sub(wasted)
    }

    /// Refuses all puts from now on.
    pub fn close(&self) {
        loop {
            let tail = self.tail.load(Ordering::SeqCst);
            if tail & CLOSED != 0 {
                return;
            }
            // Other closers may write as well, but none has seen a later ticket than the one that
            // succeeds.
            self.closed_at.fetch_max(tail, Ordering::SeqCst);
            let closed = tail | CLOSED;
            if self.tail.compare_exchange(tail, closed, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                return;
            }
        }
    }

    /// Puts `item` in.
    #[inline]
    pub fn put(&self, item: Owned<C>) -> Result<(), TryPushError<Owned<C>>> {
        match self.put_word(item.as_raw()) {
            Ok(()) => {
                // The queue has taken over the count.
                item.into_raw();
                Ok(())
            }
            Err(refused) => Err(refused.with(item)),
        }
    }

    #[inline]
    fn put_word(&self, word: u64) -> Result<(), TryPushError<()>> {
        let pin = reclaim::pin();
        let mut blindly = self.ways.bound == UNBOUNDED || trust::puts(self.key());
        loop {
            let start = self.ways.tail.start(&pin);
            let ticket = if blindly {
                self.tail.fetch_add(1, Ordering::SeqCst)
            } else {
                self.draw_if_room(1)?.0
            };
            if ticket & CLOSED != 0 {
                return Err(TryPushError::Closed(()));
            }
            let cell = self.ways.tail.find(start, ticket, &pin).cell(ticket);
            if blindly && !self.admits(ticket) && self.give_back(ticket, cell) {
                blindly = false;
                trust::no_more_puts();
                continue;
            }
            // A lock-prefixed store, after which the caller may look for waiters at once.
            if cell.compare_exchange(EMPTY, word, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
            self.wasted.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Puts as many of `items` in as there is room for, one after another, in order, and returns
    /// how many. The others stay in the iterator.
    pub fn put_many(&self, items: &mut std::vec::IntoIter<Owned<C>>) -> usize {
        let pin = reclaim::pin();
        let before = items.len();
        while items.len() > 0 {
            let mut at = self.ways.tail.start(&pin);
            let Ok((first, drawn)) = self.draw_if_room(items.len() as u64) else { break };
            for ticket in first..first + drawn {
                at = self.ways.tail.find(at, ticket, &pin);
                let word = items.as_slice()[0].as_raw();
                if at
                    .cell(ticket)
                    .compare_exchange(EMPTY, word, Ordering::SeqCst, Ordering::Relaxed)
                    .is_ok()
                {
                    // The queue has taken over the count.
                    items.next().map(Owned::into_raw);
                } else {
                    self.wasted.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        before - items.len()
    }

    /// Whether there is room for the item of `ticket`.
    #[inline]
    fn admits(&self, ticket: u64) -> bool {
        let known = self.ways.known_head.load(Ordering::Relaxed);
        ticket < known + self.ways.bound || self.admits_now(ticket)
    }

    #[cold]
    fn admits_now(&self, ticket: u64) -> bool {
        let head = self.head.load(Ordering::SeqCst);
        self.ways.known_head.store(head, Ordering::Relaxed);
        ticket < head + self.ways.bound + self.holes.between(head, ticket)
    }

    /// Gives a ticket back for which there is no room: true, unless there is by now.
    #[cold]
    fn give_back(&self, ticket: u64, cell: &AtomicU64) -> bool {
        let mut given = false;
        self.holes.making(ticket, || {
            // Looked at again after the making has begun: whoever then counts this ticket as an
            // item is right.
            given = !self.admits_now(ticket);
            let hole = given
                && cell.compare_exchange(EMPTY, DEAD, Ordering::SeqCst, Ordering::Relaxed).is_ok();
            if given {
                self.wasted.fetch_add(1, Ordering::SeqCst);
            }
            // Not a hole if a taker had given the ticket up before: then it is not between the ends
            // any more.
            hole
        });
        given
    }

    /// Draws up to `wanted` tickets for which there is room: the first one and how many.
    fn draw_if_room(&self, wanted: u64) -> Result<(u64, u64), TryPushError<()>> {
        loop {
            let before = self.holes.before();
            let tail = self.tail.load(Ordering::SeqCst);
            if tail & CLOSED != 0 {
                return Err(TryPushError::Closed(()));
            }
            // After `tail`: if it seems full now, then it is full at this moment.
            let head = self.head.load(Ordering::SeqCst);
            let limit = head + self.ways.bound + self.holes.between(head, tail);
            let room = limit.saturating_sub(tail);
            if room == 0 {
                if self.holes.none_since(before) {
                    return Err(TryPushError::Full(()));
                }
                crate::prim::thread::yield_now();
                continue;
            }
            let many = wanted.min(room);
            if self
                .tail
                .compare_exchange(tail, tail + many, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
            {
                if room >= AMPLE {
                    trust::more_puts(self.key());
                }
                return Ok((tail, many));
            }
            hint::spin_loop();
        }
    }

    /// Takes the oldest item out.
    #[inline]
    pub fn take(&self) -> Result<Owned<C>, TryPopError> {
        let pin = reclaim::pin();
        if trust::takes(self.key())
            && let Some(item) = self.draw_and_take(&pin)
        {
            return Ok(item);
        }
        loop {
            let head = self.head.load(Ordering::SeqCst);
            // After `head`: if it seems empty now, then it is empty at this moment.
            let (tail, closed) = self.end();
            if tail <= head {
                trust::no_more_takes();
                return Err(TryPopError::of_empty(closed));
            }
            if let Some(item) = self.draw_and_take(&pin) {
                if tail - head > 1 {
                    trust::more_takes(self.key());
                }
                return Ok(item);
            }
        }
    }

    /// Takes up to `wanted` items out, the oldest first, and hands them to `each`; how many there
    /// were.
    pub fn take_many(&self, wanted: usize, mut each: impl FnMut(Owned<C>)) -> usize {
        let pin = reclaim::pin();
        let mut taken = 0;
        while taken < wanted {
            let mut at = self.ways.head.start(&pin);
            let head = self.head.load(Ordering::SeqCst);
            let (tail, _) = self.end();
            if tail <= head {
                break;
            }
            let many = (tail - head).min((wanted - taken) as u64);
            if self
                .head
                .compare_exchange(head, head + many, Ordering::SeqCst, Ordering::Relaxed)
                .is_err()
            {
                hint::spin_loop();
                continue;
            }
            for ticket in head..head + many {
                at = self.ways.head.find(at, ticket, &pin);
                if let Some(item) = self.settle(ticket, at.cell(ticket)) {
                    taken += 1;
                    each(item);
                }
            }
        }
        taken
    }

    #[inline]
    fn draw_and_take(&self, pin: &Pin) -> Option<Owned<C>> {
        let start = self.ways.head.start(pin);
        let ticket = self.head.fetch_add(1, Ordering::SeqCst);
        self.settle(ticket, self.ways.head.find(start, ticket, pin).cell(ticket))
    }

    /// What is in the cell of a ticket of ours. If it is empty and stays so, the ticket is given
    /// up.
    #[inline]
    fn settle(&self, ticket: u64, cell: &AtomicU64) -> Option<Owned<C>> {
        let word = cell.load(Ordering::Acquire);
        let word =
            if word != EMPTY && word != DEAD { word } else { self.settle_late(ticket, cell)? };
        // SAFETY: a putter gave the count over in the cell, and whoever drew the ticket alone takes
        // it.
        Some(unsafe { Owned::from_raw(word) })
    }

    /// Only a ticket that no putter has drawn may be given up: one that a putter has drawn counts
    /// as an item from then on, and will be one within a few instructions of a thread that nothing
    /// makes wait.
    #[cold]
    fn settle_late(&self, ticket: u64, cell: &AtomicU64) -> Option<u64> {
        if self.end().0 <= ticket {
            return match cell.compare_exchange(EMPTY, DEAD, Ordering::SeqCst, Ordering::Acquire) {
                Err(word) if word != DEAD => Some(word),
                _ => None,
            };
        }
        let mut looks = 0_u32;
        loop {
            match cell.load(Ordering::Acquire) {
                EMPTY if looks < PATIENCE => hint::spin_loop(),
                EMPTY => crate::prim::thread::yield_now(),
                // A hole.
                DEAD => return None,
                word => return Some(word),
            }
            looks = looks.saturating_add(1);
        }
    }

    /// Shows every item, for the collector.
    ///
    /// # Safety
    /// No other thread uses the queue during the call, and `each` does not either.
    pub unsafe fn for_each(&self, mut each: impl FnMut(&Owned<C>)) {
        // SAFETY: the queue owns the count of each word in it, and nobody takes one out.
        self.walk(|word| unsafe { Owned::show(word, &mut each) }, |_| ());
    }

    /// Walks the cells that may hold items, and then has every segment seen off.
    fn walk(&self, mut each: impl FnMut(u64), mut leave: impl FnMut(*mut Segment)) {
        let (tail, _) = self.end();
        let mut next = self.head.load(Ordering::SeqCst);
        // SAFETY: the paths are never null and lead to segments that are still linked; nobody else
        // is at work.
        let (a, b) = unsafe { (&*self.ways.head.here(), &*self.ways.tail.here()) };
        let mut at = std::ptr::from_ref(if a.id <= b.id { a } else { b }).cast_mut();
        while !at.is_null() {
            // SAFETY: as above, or the next one of such a segment.
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

    /// What tells this queue from others in a thread's memory of what went well.
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
            // SAFETY: the queue owned these counts.
            unsafe { C::dispose(word) };
        }
    }
}

#[cfg(test)]
#[path = "fifo_tests.rs"]
mod tests;
