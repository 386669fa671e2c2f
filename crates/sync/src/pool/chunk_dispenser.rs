//! Divides a sequence of items among the workers that process it.
//!
//! A worker claims the next few items with one fetch-and-add. It chooses the chunk size itself,
//! from the measured cost of its items. A worker whose chunk takes too long returns the rest. Every
//! item is handed out once or, after [`ChunkDispenser::stop`], dropped once.
//! [`ChunkDispenser::complete`] returns true to the caller that completes the last item.

use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::ops::Range;

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

/// Upper limit of one claim. With it, claims that race past the end (one per thread) cannot
/// overflow `next`, however long the sequence is.
const MAX_CLAIM: usize = 1 << 40;

/// Divides the items `0..len`.
pub struct ChunkDispenser {
    len: usize,
    /// The first item never claimed; past `len` once all are. Changed with AcqRel, estimated with
    /// Relaxed loads.
    next: CachePadded<AtomicUsize>,
    /// Number of items neither completed nor dropped. Changed with AcqRel, so that the thread that
    /// brings it to 0 sees the work of all.
    left: CachePadded<AtomicUsize>,
    /// Set with Release under the mutex of `returned_chunks`, read with Acquire.
    stopped: AtomicBool,
    /// Length of `returned_chunks`, so that a claim need not lock it while it is empty.
    returned: AtomicUsize,
    returned_chunks: Mutex<Vec<Range<usize>>>,
}

impl ChunkDispenser {
    /// Creates a dispenser of `len` unclaimed items.
    pub fn new(len: usize) -> Self {
        Self {
            len,
            next: CachePadded::new(AtomicUsize::new(0)),
            left: CachePadded::new(AtomicUsize::new(len)),
            stopped: AtomicBool::new(false),
            returned: AtomicUsize::new(0),
            returned_chunks: Mutex::new(Vec::new()),
        }
    }

    /// Returns the total number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are no items at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the approximate number of items never claimed.
    #[inline]
    pub fn unclaimed(&self) -> usize {
        self.len.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Returns true if there are items to claim.
    pub fn has_more(&self) -> bool {
        self.unclaimed() > 0 || self.returned.load(Ordering::Acquire) > 0
    }

    /// Claims the next items: at most `max` of them and at most 2^40. Returned chunks come first.
    #[inline]
    pub fn claim(&self, max: usize) -> Option<Range<usize>> {
        if self.returned.load(Ordering::Acquire) > 0
            && let Some(chunk) = self.claim_returned(max)
        {
            return Some(chunk);
        }
        if self.unclaimed() == 0 {
            return None;
        }
        let max = max.clamp(1, self.len.min(MAX_CLAIM));
        let start = self.next.fetch_add(max, Ordering::AcqRel);
        (start < self.len).then(|| start..self.len.min(start.saturating_add(max)))
    }

    fn returned_chunks(&self) -> impl std::ops::DerefMut<Target = Vec<Range<usize>>> + '_ {
        self.returned_chunks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cold]
    fn claim_returned(&self, max: usize) -> Option<Range<usize>> {
        let mut chunks = self.returned_chunks();
        let chunk = chunks.last_mut()?;
        let claimed = chunk.start..chunk.end.min(chunk.start.saturating_add(max.max(1)));
        chunk.start = claimed.end;
        if chunk.start >= chunk.end {
            chunks.pop();
            self.returned.fetch_sub(1, Ordering::AcqRel);
        }
        Some(claimed)
    }

    /// Returns claimed items to the dispenser. The result is the number of items dropped instead
    /// because of a stop; the caller must [`Self::complete`] those.
    pub fn give_back(&self, chunk: Range<usize>) -> usize {
        if chunk.is_empty() {
            return 0;
        }
        let mut chunks = self.returned_chunks();
        // Checked under the lock that `stop` holds while it drops the returned chunks.
        if self.is_stopped() {
            return chunk.len();
        }
        chunks.push(chunk);
        self.returned.fetch_add(1, Ordering::AcqRel);
        0
    }

    /// Records claimed items as completed. Returns true to the caller that completes the last one.
    #[inline]
    pub fn complete(&self, items: usize) -> bool {
        items > 0 && self.left.fetch_sub(items, Ordering::AcqRel) == items
    }

    /// Returns true if every item is completed or dropped.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Returns true if [`Self::stop`] was called.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Drops all unclaimed items. Returns true if that completed the sequence.
    pub fn stop(&self) -> bool {
        let mut dropped = {
            let mut chunks = self.returned_chunks();
            self.stopped.store(true, Ordering::Release);
            self.returned.store(0, Ordering::Release);
            chunks.drain(..).map(|chunk| chunk.len()).sum()
        };
        // Each later claim adds at most `MAX_CLAIM`, far from overflow.
        dropped += self.len - self.next.swap(self.len, Ordering::AcqRel).min(self.len);
        self.complete(dropped)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn claims_after_a_stop_cannot_wrap_around() {
        let dispenser = ChunkDispenser::new(isize::MAX as usize);
        dispenser.stop();
        // Simulates threads that saw unclaimed items before the stop.
        for _ in 0..4 {
            let max = usize::MAX.clamp(1, dispenser.len.min(MAX_CLAIM));
            dispenser.next.fetch_add(max, Ordering::Relaxed);
        }
        assert!(dispenser.claim(usize::MAX).is_none());
        let other = ChunkDispenser::new(isize::MAX as usize);
        assert_eq!(other.claim(usize::MAX), Some(0..MAX_CLAIM));
    }

    #[test]
    fn every_item_goes_to_exactly_one_thread() {
        let dispenser = ChunkDispenser::new(10_000);
        let times: Vec<_> = (0..dispenser.len()).map(|_| AtomicU32::new(0)).collect();
        let ends = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for worker in 1..4 {
                let (dispenser, times, ends) = (&dispenser, &times, &ends);
                scope.spawn(move || {
                    while let Some(mut chunk) = dispenser.claim(7 * worker) {
                        if chunk.len() > 10 {
                            dispenser.give_back(chunk.start + 5..chunk.end);
                            chunk.end = chunk.start + 5;
                        }
                        chunk.clone().for_each(|i| _ = times[i].fetch_add(1, Ordering::Relaxed));
                        let last = dispenser.complete(chunk.len());
                        ends.fetch_add(u32::from(last), Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(times.iter().all(|t| t.load(Ordering::Relaxed) == 1));
        assert_eq!(ends.into_inner(), 1);
        assert!(dispenser.is_complete() && !dispenser.has_more());
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// Wherever a stop falls among claims and returns, every item is completed or dropped and
    /// exactly one thread sees the end.
    #[test]
    fn a_concurrent_stop_loses_no_item() {
        loom::model(|| {
            let dispenser = Arc::new(ChunkDispenser::new(4));
            let worker = {
                let dispenser = Arc::clone(&dispenser);
                thread::spawn(move || {
                    let mut ends = 0;
                    while let Some(chunk) = dispenser.claim(2) {
                        let dropped = dispenser.give_back(chunk.start + 1..chunk.end);
                        ends += u32::from(dispenser.complete(1 + dropped));
                    }
                    ends
                })
            };
            let mut ends = u32::from(dispenser.stop());
            ends += worker.join().unwrap();
            assert!(dispenser.is_complete());
            assert_eq!(ends, 1);
        });
    }
}
