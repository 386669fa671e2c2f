//! Permits, handed out strictly in the order they were asked for, so that who wants many is not
//! starved by those who want one.

use super::me::Me;
use super::queue::{Node, Queue};
use super::{Mutex, SHORT, Sleep, lock, spin_until};
use crate::prim::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// Somebody waits: permits are given out by those who release, under the queue's mutex.
const QUEUED: u64 = 1;

/// A semaphore.
#[repr(align(64))]
pub struct Semaphore {
    /// Permits, shifted left by one, and [`QUEUED`].
    state: AtomicU64,
    bound: u64,
    queue: CachePadded<Mutex<Queue>>,
}

impl Semaphore {
    /// As many permits as there can be.
    pub const MAX: u64 = u64::MAX >> 2;

    /// `permits` to begin with, and never more than `bound`.
    pub fn new(permits: u64, bound: Option<u64>) -> Self {
        let bound = bound.unwrap_or(Self::MAX).min(Self::MAX);
        Self {
            state: AtomicU64::new(permits.min(bound) << 1),
            bound,
            queue: CachePadded::new(Mutex::new(Queue::default())),
        }
    }

    /// Permits that are there now.
    pub fn permits(&self) -> u64 {
        self.state.load(Ordering::Relaxed) >> 1
    }

    /// The most permits there may be.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// How many threads wait.
    pub fn waiters(&self) -> usize {
        self.queue().len()
    }

    fn queue(&self) -> impl std::ops::DerefMut<Target = Queue> + '_ {
        let mut queue = lock(&self.queue);
        if queue.mind_forks() {
            self.state.fetch_and(!QUEUED, Ordering::Relaxed);
        }
        queue
    }

    /// Takes `n` permits if they are there and nobody waits for some.
    #[inline]
    pub fn try_acquire(&self, n: u64) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & QUEUED == 0 && state >> 1 >= n {
            match self.state.compare_exchange_weak(
                state,
                state - (n << 1),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes `n` permits, sleeping until they are there. False if the caller gave up.
    pub fn acquire<E>(&self, me: Me, n: u64, sleep: impl Sleep<E>) -> Result<bool, E> {
        if self.try_acquire(n) || spin_until(SHORT, || self.try_acquire(n)) {
            return Ok(true);
        }
        let node = Node::new(std::ptr::from_ref(self).addr(), me, n);
        {
            let mut queue = self.queue();
            // From here on those who release look at the queue.
            let state = self.state.fetch_or(QUEUED, Ordering::Relaxed);
            queue.push(node.clone());
            if state & QUEUED == 0 {
                let told = self.hand_out(&mut queue);
                debug_assert!(told.iter().all(|other| Arc::ptr_eq(other, &node)));
            }
        }
        if node.is_granted() {
            return Ok(true);
        }
        let woken = if spin_until(SHORT, || node.parker.is_raised()) {
            Ok(true)
        } else {
            sleep(&node.parker)
        };
        if let Ok(true) = woken {
            return Ok(true);
        }
        let told = {
            let mut queue = self.queue();
            queue.remove(&node).map(|_| self.hand_out(&mut queue))
        };
        match (told, woken) {
            (Some(told), woken) => {
                told.iter().for_each(|node| node.parker.unpark());
                woken
            }
            (None, Err(error)) => {
                self.put_back(n);
                Err(error)
            }
            (None, Ok(_)) => Ok(true),
        }
    }

    /// Gives `n` permits back. False, and nothing is changed, if there would be more than there may
    /// be.
    #[inline]
    pub fn release(&self, n: u64) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if n > self.bound - (state >> 1).min(self.bound) {
                return false;
            }
            match self.state.compare_exchange_weak(
                state,
                state + (n << 1),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & QUEUED != 0 {
            self.serve();
        }
        true
    }

    fn put_back(&self, n: u64) {
        if self.state.fetch_add(n << 1, Ordering::Release) & QUEUED != 0 {
            self.serve();
        }
    }

    #[cold]
    fn serve(&self) {
        let told = self.hand_out(&mut self.queue());
        told.iter().for_each(|node| node.parker.unpark());
    }

    /// Under the queue's mutex: grants what the first ones want, as long as there is enough.
    fn hand_out(&self, queue: &mut Queue) -> Vec<Arc<Node>> {
        let mut told = Vec::new();
        while let Some(first) = queue.first() {
            // While somebody is queued, only this takes permits.
            let state = self.state.load(Ordering::Acquire);
            if state >> 1 < first.wanted {
                return told;
            }
            self.state.fetch_sub(first.wanted << 1, Ordering::Acquire);
            first.grant();
            told.extend(queue.pop());
        }
        self.state.fetch_and(!QUEUED, Ordering::Relaxed);
        told
    }
}
