//! Tickets that putters drew and gave back unused, because the queue turned out to be full. They
//! lie between the two ends like items and are none, so the bound has to know them. They come about
//! only when putters that trusted in there being room meet the bound.

use crate::prim::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

#[derive(Default)]
pub(super) struct Holes {
    many: AtomicUsize,
    tickets: Mutex<Vec<u64>>,
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Holes {
    /// How many holes lie at `head ..` and before `tail`. The queue's head is at or past `head` for
    /// ever.
    #[inline]
    pub(super) fn between(&self, head: u64, tail: u64) -> u64 {
        if self.many.load(Ordering::Acquire) == 0 { 0 } else { self.count(head, tail) }
    }

    #[cold]
    fn count(&self, head: u64, tail: u64) -> u64 {
        let mut tickets = self.tickets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tickets.retain(|&ticket| ticket >= head);
        self.many.store(tickets.len(), Ordering::Release);
        tickets.iter().filter(|&&ticket| ticket < tail).count() as u64
    }

    /// Runs `give_back`, which may make `ticket` a hole and says whether it did.
    pub(super) fn making(&self, ticket: u64, give_back: impl FnOnce() -> bool) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if give_back() {
            let mut tickets =
                self.tickets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            tickets.push(ticket);
            self.many.store(tickets.len(), Ordering::Release);
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// To be asked before the queue is judged full.
    pub(super) fn before(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// Whether no hole was in the making since `before`: what was counted as an item meanwhile is
    /// one.
    pub(super) fn none_since(&self, before: u64) -> bool {
        self.begun.load(Ordering::SeqCst) == before
    }
}
