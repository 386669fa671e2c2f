//! The slow path of [`Lock`]: queueing, waking and handing over the lock. `mutex.rs` describes the
//! algorithm.

use super::mutex::{HANDOFF, HELD, Lock, QUEUED, WAKING};
use super::thread_id::ThreadId;
use super::wait_queue::{WaitNode, WaitQueue};
use super::{AcquireOutcome, SPIN_PAUSES, Sleep, spin_until};
use crate::primitive::atomic::Ordering;
use std::sync::Arc;

impl Lock {
    #[cold]
    pub(super) fn wait<E>(
        &self,
        thread: ThreadId,
        sleep: impl Sleep<E>,
    ) -> Result<AcquireOutcome, E> {
        if self.is_orphaned() {
            return Ok(AcquireOutcome::Orphaned);
        }
        if spin_until(SPIN_PAUSES, || !self.is_held() && self.try_acquire(thread)) {
            return Ok(AcquireOutcome::Acquired);
        }
        let node = WaitNode::new(self.address(), thread, 1);
        if self.enqueue(&node) {
            return Ok(AcquireOutcome::Acquired);
        }
        loop {
            let woken = if spin_until(SPIN_PAUSES, || node.parker.is_raised()) {
                Ok(true)
            } else {
                sleep(&node.parker)
            };
            match woken {
                Ok(true) => {
                    if self.acquire_after_wakeup(&node) {
                        return Ok(AcquireOutcome::Acquired);
                    }
                }
                Ok(false) => {
                    return Ok(if self.leave_queue(&node) {
                        AcquireOutcome::TimedOut
                    } else {
                        AcquireOutcome::Acquired
                    });
                }
                Err(error) => {
                    if !self.leave_queue(&node) {
                        self.release();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Joins the queue. If the lock is free by now, takes it instead and returns true.
    fn enqueue(&self, node: &Arc<WaitNode>) -> bool {
        let mut queue = self.queue();
        if self.acquire_or_set(QUEUED) {
            drop(queue);
            self.set_owner(node.thread);
            return true;
        }
        queue.push(node.clone());
        false
    }

    /// Takes the lock if it is free, otherwise sets `flags`. The caller holds the queue's mutex.
    /// Returns true if the lock was taken.
    fn acquire_or_set(&self, flags: u32) -> bool {
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

    /// Called by a woken waiter. Returns true if it holds the lock now. Otherwise it has requested
    /// a hand-off, if it is the first in the queue, and must sleep again.
    fn acquire_after_wakeup(&self, node: &Arc<WaitNode>) -> bool {
        if node.is_granted() {
            return true;
        }
        spin_until(SPIN_PAUSES, || !self.is_held());
        let mut queue = self.queue();
        if node.is_granted() {
            return true;
        }
        // The flag was raised for the state examined above, or once too often, which costs one more
        // iteration.
        node.parker.reset();
        let first = queue.first().is_some_and(|first| Arc::ptr_eq(first, node));
        let taken = self.acquire_or_set(if first { HANDOFF } else { 0 });
        if taken {
            queue.remove(node);
            let left = if queue.is_empty() { 0 } else { QUEUED };
            // The next release wakes the waiter that is first now.
            self.state.fetch_and(HELD | left, Ordering::Relaxed);
            drop(queue);
            self.set_owner(node.thread);
        } else if first {
            self.state.fetch_and(!WAKING, Ordering::Relaxed);
        }
        taken
    }

    /// Leaves the queue. Returns false if the lock has been handed over to this waiter already.
    fn leave_queue(&self, node: &Arc<WaitNode>) -> bool {
        let next = {
            let mut queue = self.queue();
            if node.is_granted() {
                return false;
            }
            let first = queue.first().is_some_and(|first| Arc::ptr_eq(first, node));
            queue.remove(node);
            // A wake-up or hand-off request of the first waiter passes to the next one.
            if first { self.reset_for_next(&queue) } else { None }
        };
        wake(next);
        true
    }

    /// Clears the flags of a former first waiter. Returns the new first waiter if it must be woken
    /// because the lock is free. The caller holds the queue's mutex.
    fn reset_for_next(&self, queue: &WaitQueue) -> Option<Arc<WaitNode>> {
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
        // A woken waiter has not requested a hand-off: it tries once more before it does.
        while state & (HELD | WAKING | HANDOFF) == HELD | WAKING {
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
            if (self.fair || state & HANDOFF != 0)
                && let Some(first) = queue.pop()
            {
                self.set_owner(first.thread);
                let left = if queue.is_empty() { 0 } else { QUEUED };
                // HELD stays set, so no other thread changes the state here.
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

fn wake(node: Option<Arc<WaitNode>>) {
    if let Some(node) = node {
        node.parker.unpark();
    }
}
