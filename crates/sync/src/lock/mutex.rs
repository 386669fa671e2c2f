//! A lock that queues its waiters.
//!
//! Alone, a thread takes and gives it back by one compare-and-swap. Who does not get it within a moment queues and sleeps. What happens at
//! release then depends on the kind of lock:
//!
//! - *fair*: the lock goes to the first in the queue and is never free in between. Strictly first come first served, at the price of
//!   waking a thread for every section.
//! - otherwise the lock is set free and the first in the queue, the *heir*, is woken. Until it is awake others may take the lock as if
//!   nobody waited, which is what keeps a busy lock from running at the speed of wake-ups; releasing wakes nobody while an heir is
//!   about. An heir that finds the lock taken demands it, and the next release hands it over. So nobody is overtaken for
//!   longer than one wake-up takes, and however many threads want the lock, about two at a time are awake for it.
//!
//! Read from outside (`ungil dump`), by offset: 0 the mark "ungL"; 4 the state, bit 0 of which is "held"; 8 the holder's gettid(2); 12 its
//! number; 16 its pthread_self(3); 24 how often a re-entrant lock is held. The parker of each waiter names the address of this.

use super::me::{Me, is_gone, number};
use super::queue::{Node, Queue};
use super::{Mutex, Outcome, SHORT, Sleep, lock, spin_until};
use crate::prim::atomic::{AtomicU32, AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// Held.
const HELD: u32 = 1;
/// Somebody is in the queue.
const QUEUED: u32 = 2;
/// The first in the queue has been woken and looks for itself.
const WAKING: u32 = 4;
/// The first in the queue wants the lock handed over. Only while held.
const DEMANDED: u32 = 8;

/// The lock.
#[repr(C, align(64))]
pub struct Lock {
    mark: u32,
    /// Bit 0 changes by compare-and-swap; the others under the queue's mutex.
    state: AtomicU32,
    owner: AtomicU64,
    ident: AtomicU64,
    depth: AtomicU32,
    fair: bool,
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

    fn address(&self) -> usize {
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
        (owner != 0 && self.is_held() && owner == self.owner.load(Ordering::Relaxed)).then_some(ident)
    }

    /// How many wait in the queue.
    pub fn waiters(&self) -> usize {
        self.queue().len()
    }

    /// How often a re-entrant lock is held. The holder's own.
    pub fn depth(&self) -> &AtomicU32 {
        &self.depth
    }

    fn queue(&self) -> impl std::ops::DerefMut<Target = Queue> + '_ {
        let mut queue = lock(&self.queue);
        if queue.mind_forks() {
            self.state.fetch_and(HELD, Ordering::Relaxed);
        }
        queue
    }

    #[inline]
    fn owned_by(&self, me: Me) {
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
            match self.state.compare_exchange_weak(state, state | HELD, Ordering::Acquire, Ordering::Relaxed)
            {
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

    #[cold]
    fn wait<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<Outcome, E> {
        if self.is_orphaned() {
            return Ok(Outcome::Orphaned);
        }
        if spin_until(SHORT, || !self.is_held() && self.try_acquire(me)) {
            return Ok(Outcome::Acquired);
        }
        let node = Node::new(self.address(), me, 1);
        if self.enqueue(&node) {
            return Ok(Outcome::Acquired);
        }
        loop {
            let woken =
                if spin_until(SHORT, || node.parker.is_raised()) { Ok(true) } else { sleep(&node.parker) };
            match woken {
                Ok(true) => {
                    if self.inherit(&node) {
                        return Ok(Outcome::Acquired);
                    }
                }
                Ok(false) => {
                    return Ok(if self.abandon(&node) { Outcome::TimedOut } else { Outcome::Acquired });
                }
                Err(error) => {
                    if !self.abandon(&node) {
                        self.release();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Joins the queue, unless the lock is free by now: then it is taken (true).
    fn enqueue(&self, node: &Arc<Node>) -> bool {
        let mut queue = self.queue();
        if self.take_or(QUEUED) {
            drop(queue);
            self.owned_by(node.me);
            return true;
        }
        queue.push(node.clone());
        false
    }

    /// Under the queue's mutex: takes the lock if it is free, or else puts `flags` up while it is held.
    fn take_or(&self, flags: u32) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let free = state & HELD == 0;
            let next = if free { state | HELD } else { state | flags };
            match self.state.compare_exchange_weak(state, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return free,
                Err(now) => state = now,
            }
        }
    }

    /// A waiter that was woken: true if it holds the lock now, false if it has demanded it and must sleep again.
    fn inherit(&self, node: &Arc<Node>) -> bool {
        if node.is_granted() {
            return true;
        }
        spin_until(SHORT, || !self.is_held());
        let mut queue = self.queue();
        if node.is_granted() {
            return true;
        }
        // Raised under the mutex's protection only by what was seen above, or once too often, which costs a look.
        node.parker.reset();
        let first = queue.first().is_some_and(|first| Arc::ptr_eq(first, node));
        let taken = self.take_or(if first { DEMANDED } else { 0 });
        if taken {
            queue.remove(node);
            let left = if queue.is_empty() { 0 } else { QUEUED };
            // Whoever is first now is woken by the release to come.
            self.state.fetch_and(HELD | left, Ordering::Relaxed);
            drop(queue);
            self.owned_by(node.me);
        } else if first {
            self.state.fetch_and(!WAKING, Ordering::Relaxed);
        }
        taken
    }

    /// Leaves the queue. False if the lock has been handed over already.
    fn abandon(&self, node: &Arc<Node>) -> bool {
        let next = {
            let mut queue = self.queue();
            if node.is_granted() {
                return false;
            }
            let first = queue.first().is_some_and(|first| Arc::ptr_eq(first, node));
            queue.remove(node);
            // What was meant for the first goes to the one who is first now.
            if first { self.pass_on(&queue) } else { None }
        };
        wake(next);
        true
    }

    /// Under the queue's mutex: forgets what the former first was told or wanted. If the lock is free, the new first is to be woken.
    fn pass_on(&self, queue: &Queue) -> Option<Arc<Node>> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = match (queue.is_empty(), state & HELD != 0) {
                (true, _) => state & HELD,
                (false, true) => HELD | QUEUED,
                (false, false) => QUEUED | WAKING,
            };
            match self.state.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return (next & WAKING != 0).then(|| queue.first().cloned()).flatten(),
                Err(now) => state = now,
            }
        }
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

    #[cold]
    fn release_to_queue(&self, mut state: u32) -> bool {
        // An heir is awake and has not demanded the lock: it looks once more before it does.
        while state & (HELD | WAKING | DEMANDED) == HELD | WAKING {
            let free = state & !HELD;
            match self.state.compare_exchange_weak(state, free, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        if state & HELD == 0 {
            return false;
        }
        let next = {
            let mut queue = self.queue();
            let state = self.state.load(Ordering::Relaxed);
            if state & HELD == 0 {
                return false;
            }
            if (self.fair || state & DEMANDED != 0)
                && let Some(first) = queue.pop()
            {
                self.owned_by(first.me);
                let left = if queue.is_empty() { 0 } else { QUEUED };
                // Held throughout, so that nobody else changes the state here.
                self.state.store(HELD | left, Ordering::Release);
                first.grant();
                Some(first)
            } else {
                let woken = if queue.is_empty() { 0 } else { QUEUED | WAKING };
                self.state.store(woken, Ordering::Release);
                if state & WAKING == 0 { queue.first().cloned() } else { None }
            }
        };
        wake(next);
        true
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

fn wake(node: Option<Arc<Node>>) {
    if let Some(node) = node {
        node.parker.unpark();
    }
}
