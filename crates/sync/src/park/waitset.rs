//! A set of waiters for a condition that lock-free code makes true (an "event count"). A thread
//! that changes the state checks with one load whether anybody waits. A waiter registers first and
//! checks the state again before it sleeps, so no wake-up is lost:
//!
//! ```text
//! waiter:  register -> check again -> park (or unregister)   waker:  change the state -> notify
//! ```
//!
//! Both sides put a full fence between their two steps, so at least one of them sees the other.

use super::Parker;
use crate::primitive::atomic::{AtomicUsize, Ordering, fence};
use std::collections::VecDeque;
use std::sync::Arc;

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

/// How a waiter is woken.
#[derive(Clone)]
pub enum Waiter {
    /// Unpark this thread.
    Thread(Arc<Parker>),
    /// Call this function from the notifying thread, under no lock (an event loop's future).
    Call(Arc<dyn Fn() + Send + Sync>),
}

impl Waiter {
    fn wake(self) {
        match self {
            Self::Thread(parker) => parker.unpark(),
            Self::Call(call) => call(),
        }
    }
}

/// Number of forks between the first process and this one. Waiters registered before a fork exist
/// only in the parent.
static FORKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// Discards all waiters. Must be called in the child of a fork, before it uses this module.
pub fn after_fork_in_child() {
    FORKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

fn fork_count() -> u32 {
    FORKS.load(std::sync::atomic::Ordering::Relaxed)
}

/// A registered waiter.
struct WaitEntry {
    ticket: u64,
    forks: u32,
    waiter: Waiter,
}

/// Identifies a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// The registered waiters, woken in FIFO order.
#[derive(Default)]
pub struct WaitSet {
    /// Number of entries in the list. Written under the list's mutex with SeqCst; notifiers load it
    /// Relaxed after a SeqCst fence.
    waiting: AtomicUsize,
    /// The last ticket and the entries.
    list: Mutex<(u64, VecDeque<WaitEntry>)>,
}

impl WaitSet {
    fn list(&self) -> impl std::ops::DerefMut<Target = (u64, VecDeque<WaitEntry>)> + '_ {
        // Nothing panics while it holds the lock, so a poisoned lock is still consistent.
        self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Registers a waiter. The caller must check the state again before it sleeps, and unregister
    /// if it need not sleep.
    pub fn register(&self, waiter: Waiter) -> Ticket {
        // Waiters of the parent process, dropped after the lock as in `unregister`. Entries of this
        // process are always newer, so either all entries are stale or none is.
        let mut stale = VecDeque::new();
        let ticket = {
            let mut list = self.list();
            if list.1.front().is_some_and(|entry| entry.forks != fork_count()) {
                stale = std::mem::take(&mut list.1);
                self.waiting.store(0, Ordering::SeqCst);
            }
            list.0 += 1;
            let ticket = list.0;
            list.1.push_back(WaitEntry { ticket, forks: fork_count(), waiter });
            self.waiting.fetch_add(1, Ordering::SeqCst);
            Ticket(ticket)
        };
        drop(stale);
        fence(Ordering::SeqCst);
        ticket
    }

    /// Removes a registration. Returns false if the waiter has been notified already. It must then
    /// forward the notification ([`Self::notify_one`]) unless it used it.
    pub fn unregister(&self, ticket: Ticket) -> bool {
        // Dropped after the lock: a waiter's function may own objects that must not be dropped
        // under a lock.
        let removed = {
            let mut list = self.list();
            let index = list.1.iter().position(|entry| entry.ticket == ticket.0);
            index.and_then(|index| list.1.remove(index)).inspect(|_| {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            })
        };
        removed.is_some()
    }

    /// Wakes the first waiter, if any. The state must have been changed before.
    #[inline]
    pub fn notify_one(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.wake(1);
        }
    }

    /// Wakes all waiters. The state must have been changed before.
    #[inline]
    pub fn notify_all(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.wake(usize::MAX);
        }
    }

    /// Returns the number of waiters.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn wake(&self, at_most: usize) {
        let (mut woken, mut stale) = (Vec::new(), Vec::new());
        {
            let mut list = self.list();
            while woken.len() < at_most
                && let Some(entry) = list.1.pop_front()
            {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                if entry.forks == fork_count() { &mut woken } else { &mut stale }
                    .push(entry.waiter);
            }
        }
        woken.into_iter().for_each(Waiter::wake);
    }
}
