//! What a [`Lock`] does when it is wanted by more than one thread: who queues, who is woken, who
//! gets it.

use super::me::Me;
use super::mutex::{DEMANDED, HELD, Lock, QUEUED, WAKING};
use super::queue::{Node, Queue};
use super::{Outcome, SHORT, Sleep, spin_until};
use crate::prim::atomic::Ordering;
use std::sync::Arc;

impl Lock {
    #[cold]
    pub(super) fn wait<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<Outcome, E> {
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
            let woken = if spin_until(SHORT, || node.parker.is_raised()) {
                Ok(true)
            } else {
                sleep(&node.parker)
            };
            match woken {
                Ok(true) => {
                    if self.inherit(&node) {
                        return Ok(Outcome::Acquired);
                    }
                }
                Ok(false) => {
                    return Ok(if self.abandon(&node) {
                        Outcome::TimedOut
                    } else {
                        Outcome::Acquired
                    });
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

    /// Under the queue's mutex: takes the lock if it is free, or else puts `flags` up while it is
    /// held.
    fn take_or(&self, flags: u32) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let free = state & HELD == 0;
            let next = if free { state | HELD } else { state | flags };
            match self.state.compare_exchange_weak(
                state,
                next,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return free,
                Err(now) => state = now,
            }
        }
    }

    /// A waiter that was woken: true if it holds the lock now, false if it has demanded it and must
    /// sleep again.
    fn inherit(&self, node: &Arc<Node>) -> bool {
        if node.is_granted() {
            return true;
        }
        spin_until(SHORT, || !self.is_held());
        let mut queue = self.queue();
        if node.is_granted() {
            return true;
        }
        // Raised under the mutex's protection only by what was seen above, or once too often, which
        // costs a look.
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

    /// Under the queue's mutex: forgets what the former first was told or wanted. If the lock is
    /// free, the new first is to be woken.
    fn pass_on(&self, queue: &Queue) -> Option<Arc<Node>> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = match (queue.is_empty(), state & HELD != 0) {
                (true, _) => state & HELD,
                (false, true) => HELD | QUEUED,
                (false, false) => QUEUED | WAKING,
            };
            match self.state.compare_exchange_weak(
                state,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return (next & WAKING != 0).then(|| queue.first().cloned()).flatten(),
                Err(now) => state = now,
            }
        }
    }

    #[cold]
    pub(super) fn release_to_queue(&self, mut state: u32) -> bool {
        // An heir is awake and has not demanded the lock: it looks once more before it does.
        while state & (HELD | WAKING | DEMANDED) == HELD | WAKING {
            let free = state & !HELD;
            match self.state.compare_exchange_weak(
                state,
                free,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
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
}

fn wake(node: Option<Arc<Node>>) {
    if let Some(node) = node {
        node.parker.unpark();
    }
}
