//! A row of items, divided among whoever comes while it is worked on.
//!
//! A worker claims the next few with one fetch-and-add; how few or many is its own affair (it
//! measures what they cost it). Who finds that its share takes too long gives the rest back. Every
//! item is handed out once or, after [`Split::stop`], dropped once, and whoever accounts for the
//! last one hears of it.

use crate::prim::atomic::{AtomicBool, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::ops::Range;

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

/// Upper limit of one claim. With it, claims that race past the end (one for each thread) cannot
/// overflow `next` however long the row is.
const MAX_CLAIM: usize = 1 << 40;

/// The division of `0..len`.
pub struct Split {
    len: usize,
    next: CachePadded<AtomicUsize>,
    /// Items neither accounted for nor dropped.
    left: CachePadded<AtomicUsize>,
    stopped: AtomicBool,
    /// How many shares were given back and not claimed again.
    returned: AtomicUsize,
    shares: Mutex<Vec<Range<usize>>>,
}

impl Split {
    /// Nothing claimed yet.
    pub fn new(len: usize) -> Self {
        Self {
            len,
            next: CachePadded::new(AtomicUsize::new(0)),
            left: CachePadded::new(AtomicUsize::new(len)),
            stopped: AtomicBool::new(false),
            returned: AtomicUsize::new(0),
            shares: Mutex::new(Vec::new()),
        }
    }

    /// How many items there are in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how many nobody has claimed.
    #[inline]
    pub fn unclaimed(&self) -> usize {
        self.len.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Whether something is there to be claimed.
    pub fn has_more(&self) -> bool {
        self.unclaimed() > 0 || self.returned.load(Ordering::Acquire) > 0
    }

    /// The next items, at most `most` of them (and at most 2^40). Those given back come first.
    #[inline]
    pub fn claim(&self, most: usize) -> Option<Range<usize>> {
        if self.returned.load(Ordering::Acquire) > 0
            && let Some(share) = self.claim_returned(most)
        {
            return Some(share);
        }
        if self.unclaimed() == 0 {
            return None;
        }
        let most = most.clamp(1, self.len.min(MAX_CLAIM));
        let start = self.next.fetch_add(most, Ordering::AcqRel);
        (start < self.len).then(|| start..self.len.min(start.saturating_add(most)))
    }

    fn shares(&self) -> impl std::ops::DerefMut<Target = Vec<Range<usize>>> + '_ {
        self.shares.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cold]
    fn claim_returned(&self, most: usize) -> Option<Range<usize>> {
        let mut shares = self.shares();
        let share = shares.last_mut()?;
        let claimed = share.start..share.end.min(share.start.saturating_add(most.max(1)));
        share.start = claimed.end;
        if share.start >= share.end {
            shares.pop();
            self.returned.fetch_sub(1, Ordering::AcqRel);
        }
        Some(claimed)
    }

    /// Gives items back that were claimed. Returns how many were dropped instead, because of a
    /// stop: the caller must account for those.
    pub fn give_back(&self, share: Range<usize>) -> usize {
        if share.is_empty() {
            return 0;
        }
        let mut shares = self.shares();
        // Under the lock under which a stop drops what was given back.
        if self.is_stopped() {
            return share.len();
        }
        shares.push(share);
        self.returned.fetch_add(1, Ordering::AcqRel);
        0
    }

    /// Accounts for items that were claimed. True for whoever accounts for the last.
    #[inline]
    pub fn account(&self, items: usize) -> bool {
        items > 0 && self.left.fetch_sub(items, Ordering::AcqRel) == items
    }

    /// Whether every item is accounted for.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Whether what nobody has begun has been dropped.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Drops all that nobody has claimed. True if these were the last not accounted for.
    pub fn stop(&self) -> bool {
        let mut dropped = {
            let mut shares = self.shares();
            self.stopped.store(true, Ordering::Release);
            self.returned.store(0, Ordering::Release);
            shares.drain(..).map(|share| share.len()).sum()
        };
        // A claim that comes later adds at most `MAX_CLAIM`, far from overflow.
        dropped += self.len - self.next.swap(self.len, Ordering::AcqRel).min(self.len);
        self.account(dropped)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn claims_past_the_end_of_the_longest_row_do_not_begin_it_again() {
        let split = Split::new(isize::MAX as usize);
        split.stop();
        // As of threads that saw items left before the stop.
        for _ in 0..4 {
            split.next.fetch_add(usize::MAX.clamp(1, split.len.min(MAX_CLAIM)), Ordering::Relaxed);
        }
        assert!(split.claim(usize::MAX).is_none());
        let other = Split::new(isize::MAX as usize);
        assert_eq!(other.claim(usize::MAX), Some(0..MAX_CLAIM));
    }

    #[test]
    fn every_item_goes_to_one_thread() {
        let split = Split::new(10_000);
        let times: Vec<_> = (0..split.len()).map(|_| AtomicU32::new(0)).collect();
        let ends = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for worker in 1..4 {
                let (split, times, ends) = (&split, &times, &ends);
                scope.spawn(move || {
                    while let Some(mut share) = split.claim(7 * worker) {
                        if share.len() > 10 {
                            split.give_back(share.start + 5..share.end);
                            share.end = share.start + 5;
                        }
                        share.clone().for_each(|i| _ = times[i].fetch_add(1, Ordering::Relaxed));
                        ends.fetch_add(u32::from(split.account(share.len())), Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(times.iter().all(|t| t.load(Ordering::Relaxed) == 1));
        assert_eq!(ends.into_inner(), 1);
        assert!(split.is_over() && !split.has_more());
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// However a stop falls among claims and returns, every item is accounted for and exactly one
    /// thread hears of the end.
    #[test]
    fn a_stop_loses_nothing() {
        loom::model(|| {
            let split = Arc::new(Split::new(4));
            let worker = {
                let split = Arc::clone(&split);
                thread::spawn(move || {
                    let mut ends = 0;
                    while let Some(share) = split.claim(2) {
                        let dropped = split.give_back(share.start + 1..share.end);
                        ends += u32::from(split.account(1 + dropped));
                    }
                    ends
                })
            };
            let mut ends = u32::from(split.stop());
            ends += worker.join().unwrap();
            assert!(split.is_over());
            assert_eq!(ends, 1);
        });
    }
}
