//! Tickets that puts claimed and abandoned because the queue turned out to be full. They lie
//! between head and tail but carry no item, so the bound must account for them. They arise only
//! when optimistic puts hit the bound.

use crate::primitive::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

#[derive(Default)]
pub(super) struct AbandonedTickets {
    /// Length of `tickets`, so that the common case of none needs no lock. Stored with Release
    /// under the mutex, read with Acquire.
    len: AtomicUsize,
    tickets: Mutex<Vec<u64>>,
    /// Number of calls of [`Self::record`] that have started, and that have finished. SeqCst.
    started: AtomicU64,
    finished: AtomicU64,
}

impl AbandonedTickets {
    /// Returns the number of abandoned tickets in `head .. tail`. The queue's head never falls
    /// below `head` again.
    #[inline]
    pub(super) fn count_between(&self, head: u64, tail: u64) -> u64 {
        if self.len.load(Ordering::Acquire) == 0 { 0 } else { self.count(head, tail) }
    }

    #[cold]
    fn count(&self, head: u64, tail: u64) -> u64 {
        let mut tickets = self.tickets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tickets.retain(|&ticket| ticket >= head);
        self.len.store(tickets.len(), Ordering::Release);
        tickets.iter().filter(|&&ticket| ticket < tail).count() as u64
    }

    /// Runs `abandon`, which returns true if it abandoned `ticket`, and records the ticket if so.
    pub(super) fn record(&self, ticket: u64, abandon: impl FnOnce() -> bool) {
        self.started.fetch_add(1, Ordering::SeqCst);
        if abandon() {
            let mut tickets =
                self.tickets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            tickets.push(ticket);
            self.len.store(tickets.len(), Ordering::Release);
        }
        self.finished.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number of finished records, to be read before the queue is found full.
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Ordering::SeqCst)
    }

    /// Returns true if no record was in progress since [`Self::finished`] returned
    /// `finished`. Then every ticket counted as an item meanwhile is one.
    pub(super) fn none_started_since(&self, finished: u64) -> bool {
        self.started.load(Ordering::SeqCst) == finished
    }
}
