//! A mutual-exclusion lock with a queue of waiters.
//!
//! Uncontended, acquire and release are one compare-and-swap each. A thread that does not get the
//! lock after a short spin queues and sleeps. What a release does then depends on the lock:
//!
//! - *Fair*: the lock is handed to the first waiter and is never free in between. Strictly first
//!   come, first served, at the cost of one thread wake-up per critical section.
//! - *Unfair*: the lock becomes free and the first waiter is woken. Until that waiter runs, other
//!   threads may take the lock as if nobody waited ("barging"), so a busy lock is not limited by
//!   the speed of wake-ups. While a woken waiter is on its way, a release wakes no other. A woken
//!   waiter that finds the lock taken requests a hand-off, and the next release hands the lock to
//!   it. So no waiter is overtaken for longer than one wake-up takes, and about two threads are
//!   awake per lock however many want it.
//!
//! This is the starvation mode of Go's `sync.Mutex`, entered at a waiter's first failed attempt.
//!
//! External readers (`ungil dump`) rely on these offsets: 0 the magic number "ungL"; 4 the state,
//! bit 0 of which is [`HELD`]; 8 the holder's gettid(2); 12 its thread number; 16 its
//! pthread_self(3); 24 the depth of a re-entrant lock. The parker of each waiter names the address
//! of this structure.

use super::thread_id::{ThreadId, is_left_in_parent, number};
use super::wait_queue::WaitQueue;
use super::{AcquireOutcome, Mutex, Sleep, lock};
use crate::primitive::atomic::{AtomicU32, AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// State bit: a thread holds the lock.
pub(super) const HELD: u32 = 1;
/// State bit: the queue is not empty.
pub(super) const QUEUED: u32 = 2;
/// State bit: the first waiter has been woken and will try to take the lock.
pub(super) const WAKING: u32 = 4;
/// State bit: the first waiter requests a hand-off. Set only while the lock is held.
pub(super) const HANDOFF: u32 = 8;

/// The lock. The module documentation states its layout.
#[repr(C, align(64))]
pub struct Lock {
    magic: u32,
    /// [`HELD`], [`QUEUED`], [`WAKING`] and [`HANDOFF`]. `HELD` changes by compare-and-swap:
    /// Acquire when taken, Release when released. The other bits change under the queue's mutex.
    pub(super) state: AtomicU32,
    /// The holder's [`ThreadId`] word, or 0. Stored with Release after `ident`.
    pub(super) owner: AtomicU64,
    /// The holder's `threading.get_ident()`. Valid only between two loads of an unchanged `owner`.
    ident: AtomicU64,
    /// Accessed by the holder only.
    depth: AtomicU32,
    pub(super) fair: bool,
    queue: CachePadded<Mutex<WaitQueue>>,
}

impl Lock {
    /// The magic number in the first four bytes: "ungL".
    pub const MAGIC: u32 = u32::from_le_bytes(*b"ungL");

    /// Creates a free lock.
    pub fn new(fair: bool) -> Self {
        Self {
            magic: Self::MAGIC,
            state: AtomicU32::new(0),
            owner: AtomicU64::new(0),
            ident: AtomicU64::new(0),
            depth: AtomicU32::new(0),
            fair,
            queue: CachePadded::new(Mutex::new(WaitQueue::default())),
        }
    }

    pub(super) fn address(&self) -> usize {
        debug_assert_eq!(self.magic, Self::MAGIC);
        std::ptr::from_ref(self).addr()
    }

    /// Returns true if waiters get the lock strictly in the order of arrival.
    pub fn is_fair(&self) -> bool {
        self.fair
    }

    /// Returns true if a thread holds the lock.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.state.load(Ordering::Relaxed) & HELD != 0
    }

    #[inline]
    pub fn is_held_by(&self, thread: ThreadId) -> bool {
        number(self.owner.load(Ordering::Relaxed)) == thread.number()
    }

    /// Returns the holder's `threading.get_ident()`.
    pub fn holder(&self) -> Option<u64> {
        let owner = self.owner.load(Ordering::Acquire);
        let ident = self.ident.load(Ordering::Relaxed);
        (owner != 0 && self.is_held() && owner == self.owner.load(Ordering::Relaxed))
            .then_some(ident)
    }

    /// Returns the number of queued threads.
    pub fn waiters(&self) -> usize {
        self.queue().len()
    }

    /// Returns the depth of a re-entrant lock, for use by the holder only.
    pub fn depth(&self) -> &AtomicU32 {
        &self.depth
    }

    pub(super) fn queue(&self) -> impl std::ops::DerefMut<Target = WaitQueue> + '_ {
        let mut queue = lock(&self.queue);
        if queue.discard_after_fork() {
            self.state.fetch_and(HELD, Ordering::Relaxed);
        }
        queue
    }

    #[inline]
    pub(super) fn set_owner(&self, thread: ThreadId) {
        self.ident.store(thread.ident, Ordering::Relaxed);
        self.owner.store(thread.word, Ordering::Release);
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_acquire(&self, thread: ThreadId) -> bool {
        let uncontended =
            self.state.compare_exchange(0, HELD, Ordering::Acquire, Ordering::Relaxed);
        let taken = uncontended.is_ok() || self.try_barge();
        if taken {
            self.set_owner(thread);
        }
        taken
    }

    /// Takes the lock if it is free, ahead of the queue. A fair lock with a queue is never free.
    fn try_barge(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & HELD == 0 {
            match self.state.compare_exchange_weak(
                state,
                state | HELD,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes the lock, sleeping until it is available.
    #[inline]
    pub fn acquire<E>(&self, thread: ThreadId, sleep: impl Sleep<E>) -> Result<AcquireOutcome, E> {
        if self.try_acquire(thread) {
            Ok(AcquireOutcome::Acquired)
        } else {
            self.wait(thread, sleep)
        }
    }

    /// Returns true if the holder exists only in the parent of a fork.
    pub fn is_orphaned(&self) -> bool {
        self.is_held() && is_left_in_parent(self.owner.load(Ordering::Relaxed))
    }

    /// Releases the lock, whichever thread took it. Returns false if the lock is not held.
    #[inline]
    pub fn release(&self) -> bool {
        if !self.is_held() {
            return false;
        }
        self.owner.store(0, Ordering::Relaxed);
        match self.state.compare_exchange(HELD, 0, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => true,
            Err(state) => self.release_to_queue(state),
        }
    }

    /// Resets the lock to its initial state, in the child of a fork.
    pub fn reinit(&self) {
        let mut queue = self.queue();
        while queue.pop().is_some() {}
        self.depth.store(0, Ordering::Relaxed);
        self.owner.store(0, Ordering::Relaxed);
        self.state.store(0, Ordering::Release);
    }
}
