//! The wait sets of a queue, and its count of finished tasks.

use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use ungil_sync::park::WaitSet;

/// Wait sets on cache lines of their own, because every operation reads them but they change only
/// when a thread starts or stops waiting.
#[derive(Default)]
pub(super) struct WaitQueues {
    /// Waiters for an item.
    pub(super) items: CachePadded<WaitSet>,
    /// Waiters for free space.
    pub(super) space: CachePadded<WaitSet>,
    /// Waiters for all tasks to be done.
    pub(super) joiners: WaitSet,
    /// Number of tasks done. SeqCst.
    pub(super) done: CachePadded<AtomicU64>,
}

thread_local! {
    /// True if the waiter that this thread has just notified cannot use the notification, because
    /// its event loop is closed.
    static WAKEUP_UNUSED: Cell<bool> = const { Cell::new(false) };
}

/// Called by a waiter that was notified and cannot use the notification.
pub(super) fn wakeup_unused() {
    WAKEUP_UNUSED.set(true);
}

/// Wakes one waiter, if any. The caller has just changed the queue by a read-modify-write.
#[inline]
pub(super) fn wake_one(set: &WaitSet) {
    // On x86 that read-modify-write was a full fence; another would cost as much as the whole
    // operation.
    if !cfg!(target_arch = "x86_64") {
        fence(Ordering::SeqCst);
    }
    if !set.is_empty() {
        wake_one_slow(set);
    }
}

/// Wakes one waiter that can use the notification.
#[cold]
pub(super) fn wake_one_slow(set: &WaitSet) {
    set.notify_one();
    while WAKEUP_UNUSED.replace(false) {
        set.notify_one();
    }
}

impl WaitQueues {
    /// Returns how many of `puts` tasks are not done.
    pub(super) fn unfinished(&self, puts: u64) -> u64 {
        puts.saturating_sub(self.done.load(Ordering::SeqCst))
    }

    /// Counts one more task as done. Returns false if all are done already.
    pub(super) fn task_done(&self, puts: impl Fn() -> u64) -> bool {
        let mut done = self.done.load(Ordering::SeqCst);
        loop {
            if done >= puts() {
                return false;
            }
            match self.done.compare_exchange_weak(
                done,
                done + 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => break,
                Err(now) => done = now,
            }
        }
        if !self.joiners.is_empty() && self.unfinished(puts()) == 0 {
            self.joiners.notify_all();
        }
        true
    }

    /// Counts up to `count` more tasks as done, but no more than `puts` in total.
    pub(super) fn add_done(&self, count: u64, puts: u64) {
        let add = |done: u64| Some(done.saturating_add(count).min(puts.max(done)));
        let _ = self.done.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }

    /// Wakes all waiters, because the queue was shut down.
    pub(super) fn wake_all(&self) {
        self.joiners.notify_all();
        self.items.notify_all();
        self.space.notify_all();
        WAKEUP_UNUSED.set(false);
    }
}
