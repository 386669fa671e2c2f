//! A lock that queues its waiters.
//!
//! Alone, a thread takes and gives it back by one compare-and-swap. Who does not get it within a
//! moment queues and sleeps. What happens at release then depends on the kind of lock:
//!
//! - *fair*: the lock goes to the first in the queue and is never free in between. Strictly first
//!   come first served, at the price of waking a thread for every section.
//! - otherwise the lock is set free and the first in the queue, the *heir*, is woken. Until it is
//!   awake others may take the lock as if nobody waited, which is what keeps a busy lock from
//!   running at the speed of wake-ups; releasing wakes nobody while an heir is about. An heir that
//!   finds the lock taken demands it, and the next release hands it over. So nobody is overtaken
//!   for longer than one wake-up takes, and however many threads want the lock, about two at a time
//!   are awake for it.
//!
//! Read from outside (`ungil dump`), by offset: 0 the mark "ungL"; 4 the state, bit 0 of which is
//! "held"; 8 the holder's gettid(2); 12 its number; 16 its pthread_self(3); 24 how often a
//! re-entrant lock is held. The parker of each waiter names the address of this.

use super::me::{Me, is_gone, number};
use super::queue::Queue;
use super::{Mutex, Outcome, Sleep, lock};
use crate::prim::atomic::{AtomicU32, AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// Held.
pub(super) const HELD: u32 = 1;
/// Somebody is in the queue.
pub(super) const QUEUED: u32 = 2;
/// The first in the queue has been woken and looks for itself.
pub(super) const WAKING: u32 = 4;
/// The first in the queue wants the lock handed over. Only while held.
pub(super) const DEMANDED: u32 = 8;

/// The lock.
#[repr(C, align(64))]
pub struct Lock {
    mark: u32,
    /// Bit 0 changes by compare-and-swap; the others under the queue's mutex.
    pub(super) state: AtomicU32,
    pub(super) owner: AtomicU64,
    ident: AtomicU64,
    depth: AtomicU32,
    pub(super) fair: bool,
    queue: CachePadded<Mutex<Queue>>,
}

impl Lock {
    /// The first four bytes: "ungL".
    pub const MARK: u32 = u32::from_le_bytes(*b"ungL");

    /// A free lock.
    pub fn new(fair: bool) -> Self {
        Self {
            mark: Self::MARK,
            state: AtomicU32::new(0),
            owner: AtomicU64::new(0),
            ident: AtomicU64::new(0),
            depth: AtomicU32::new(0),
            fair,
            queue: CachePadded::new(Mutex::new(Queue::default())),
        }
    }

    pub(super) fn address(&self) -> usize {
        debug_assert_eq!(self.mark, Self::MARK);
        std::ptr::from_ref(self).addr()
    }

    /// Whether waiters get it strictly in the order they came.
    pub fn is_fair(&self) -> bool {
        self.fair
    }

    /// Whether somebody holds it.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.state.load(Ordering::Relaxed) & HELD != 0
    }

    /// Whether `me` holds it.
    #[inline]
    pub fn is_held_by(&self, me: Me) -> bool {
        number(self.owner.load(Ordering::Relaxed)) == me.number()
    }

    /// The holder, as `threading.get_ident()` names it.
    pub fn holder(&self) -> Option<u64> {
        let owner = self.owner.load(Ordering::Acquire);
        let ident = self.ident.load(Ordering::Relaxed);
        (owner != 0 && self.is_held() && owner == self.owner.load(Ordering::Relaxed))
            .then_some(ident)
    }

    /// How many wait in the queue.
    pub fn waiters(&self) -> usize {
        self.queue().len()
    }

    /// How often a re-entrant lock is held. The holder's own.
    pub fn depth(&self) -> &AtomicU32 {
        &self.depth
    }

    pub(super) fn queue(&self) -> impl std::ops::DerefMut<Target = Queue> + '_ {
        let mut queue = lock(&self.queue);
        if queue.mind_forks() {
            self.state.fetch_and(HELD, Ordering::Relaxed);
        }
        queue
    }

    #[inline]
    pub(super) fn owned_by(&self, me: Me) {
        self.ident.store(me.ident, Ordering::Relaxed);
        self.owner.store(me.word, Ordering::Release);
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_acquire(&self, me: Me) -> bool {
        let alone = self.state.compare_exchange(0, HELD, Ordering::Acquire, Ordering::Relaxed);
        let taken = alone.is_ok() || self.overtake();
        if taken {
            self.owned_by(me);
        }
        taken
    }

    /// Takes it though there is a queue. A fair lock with a queue is never free.
    fn overtake(&self) -> bool {
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

    /// Takes the lock, sleeping until it can be had.
    #[inline]
    pub fn acquire<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<Outcome, E> {
        if self.try_acquire(me) { Ok(Outcome::Acquired) } else { self.wait(me, sleep) }
    }

    /// Whether the holder stayed behind in a fork.
    pub fn is_orphaned(&self) -> bool {
        self.is_held() && is_gone(self.owner.load(Ordering::Relaxed))
    }

    /// Gives the lock back, whoever took it. False if nobody holds it.
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

    /// As good as new, in the child of a fork.
    pub fn reinit(&self) {
        let mut queue = self.queue();
        while queue.pop().is_some() {}
        self.depth.store(0, Ordering::Relaxed);
        self.owner.store(0, Ordering::Relaxed);
        self.state.store(0, Ordering::Release);
    }
}
