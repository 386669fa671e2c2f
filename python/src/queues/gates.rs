//! Who waits at a queue, and the count of its tasks.

use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use ungil_sync::park::WaitSet;

/// Sets of waiters on lines of their own: they are looked at with every operation and change only
/// when somebody comes or goes.
#[derive(Default)]
pub(super) struct Gates {
    /// For an item.
    pub(super) items: CachePadded<WaitSet>,
    /// For room.
    pub(super) room: CachePadded<WaitSet>,
    /// For all tasks to be done.
    pub(super) joiners: WaitSet,
    /// How many tasks are.
    pub(super) done: CachePadded<AtomicU64>,
}

thread_local! {
    /// Whether the waiter this thread has just told cannot hear any more (its event loop is
    /// closed).
    static DEAF: Cell<bool> = const { Cell::new(false) };
}

/// To be called by a waiter that was told and cannot make use of it.
pub(super) fn deaf() {
    DEAF.set(true);
}

/// Tells one waiter, if there is one. The caller has just changed the queue by a read-modify-write.
#[inline]
pub(super) fn tell(set: &WaitSet) {
    // On x86 that write was a full fence; a second one would cost as much as the whole operation.
    if !cfg!(target_arch = "x86_64") {
        fence(Ordering::SeqCst);
    }
    if !set.is_empty() {
        tell_someone(set);
    }
}

/// Tells one waiter that can hear it.
#[cold]
pub(super) fn tell_someone(set: &WaitSet) {
    set.notify_one();
    while DEAF.replace(false) {
        set.notify_one();
    }
}

impl Gates {
    /// How many of `puts` tasks are not done.
    pub(super) fn unfinished(&self, puts: u64) -> u64 {
        puts.saturating_sub(self.done.load(Ordering::SeqCst))
    }

    /// One more task is done; false if there was none to do.
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

    /// As many tasks more are done, as far as there are so many.
    pub(super) fn drained(&self, many: u64, puts: u64) {
        let add = |done: u64| Some(done.saturating_add(many).min(puts.max(done)));
        let _ = self.done.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }

    /// Has everyone look again: the queue was shut down.
    pub(super) fn tell_all(&self) {
        self.joiners.notify_all();
        self.items.notify_all();
        self.room.notify_all();
        DEAF.set(false);
    }
}
