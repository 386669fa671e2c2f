//! A counting semaphore whose permits are granted strictly in FIFO order, so that a request for
//! many permits is not starved by requests for one.

use super::thread_id::ThreadId;
use super::wait_queue::{WaitNode, WaitQueue};
use super::{Mutex, SPIN_PAUSES, Sleep, lock, spin_until};
use crate::primitive::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// State bit: threads are queued. While it is set, permits are granted only under the queue's
/// mutex, by releasing threads.
const QUEUED: u64 = 1;

/// The semaphore.
#[repr(align(64))]
pub struct Semaphore {
    /// Bit 0: [`QUEUED`]. Bits 1 to 63: available permits. Acquire when permits are taken, Release
    /// when they are returned.
    state: AtomicU64,
    bound: u64,
    queue: CachePadded<Mutex<WaitQueue>>,
}

impl Semaphore {
    /// Maximum number of permits.
    pub const MAX: u64 = u64::MAX >> 2;

    /// Creates a semaphore with `permits` available permits and at most `bound`.
    pub fn new(permits: u64, bound: Option<u64>) -> Self {
        let bound = bound.unwrap_or(Self::MAX).min(Self::MAX);
        Self {
            state: AtomicU64::new(permits.min(bound) << 1),
            bound,
            queue: CachePadded::new(Mutex::new(WaitQueue::default())),
        }
    }

    /// Returns the number of available permits.
    pub fn permits(&self) -> u64 {
        self.state.load(Ordering::Relaxed) >> 1
    }

    /// Returns the maximum number of permits.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// Returns the number of waiting threads.
    pub fn waiters(&self) -> usize {
        self.queue().len()
    }

    fn queue(&self) -> impl std::ops::DerefMut<Target = WaitQueue> + '_ {
        let mut queue = lock(&self.queue);
        if queue.discard_after_fork() {
            self.state.fetch_and(!QUEUED, Ordering::Relaxed);
        }
        queue
    }

    /// Takes `n` permits if they are available and no thread waits.
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

    /// Takes `n` permits, sleeping until they are available. Returns false if `sleep` gave up.
    pub fn acquire<E>(&self, thread: ThreadId, n: u64, sleep: impl Sleep<E>) -> Result<bool, E> {
        if self.try_acquire(n) || spin_until(SPIN_PAUSES, || self.try_acquire(n)) {
            return Ok(true);
        }
        let node = WaitNode::new(std::ptr::from_ref(self).addr(), thread, n);
        {
            let mut queue = self.queue();
            // From here on, releasing threads look at the queue.
            let state = self.state.fetch_or(QUEUED, Ordering::Relaxed);
            queue.push(node.clone());
            if state & QUEUED == 0 {
                let woken = self.grant_queued(&mut queue);
                debug_assert!(woken.iter().all(|other| Arc::ptr_eq(other, &node)));
            }
        }
        if node.is_granted() {
            return Ok(true);
        }
        let woken = if spin_until(SPIN_PAUSES, || node.parker.is_raised()) {
            Ok(true)
        } else {
            sleep(&node.parker)
        };
        if let Ok(true) = woken {
            return Ok(true);
        }
        let granted = {
            let mut queue = self.queue();
            queue.remove(&node).map(|_| self.grant_queued(&mut queue))
        };
        match (granted, woken) {
            (Some(granted), woken) => {
                granted.iter().for_each(|node| node.parker.unpark());
                woken
            }
            (None, Err(error)) => {
                self.return_permits(n);
                Err(error)
            }
            (None, Ok(_)) => Ok(true),
        }
    }

    /// Returns `n` permits. Returns false and changes nothing if there would be more than the
    /// bound.
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
            self.wake_queued();
        }
        true
    }

    fn return_permits(&self, n: u64) {
        if self.state.fetch_add(n << 1, Ordering::Release) & QUEUED != 0 {
            self.wake_queued();
        }
    }

    #[cold]
    fn wake_queued(&self) {
        let granted = self.grant_queued(&mut self.queue());
        granted.iter().for_each(|node| node.parker.unpark());
    }

    /// Grants the requests at the head of the queue while there are enough permits. The caller
    /// holds the queue's mutex and must wake the returned waiters after releasing it.
    fn grant_queued(&self, queue: &mut WaitQueue) -> Vec<Arc<WaitNode>> {
        let mut granted = Vec::new();
        while let Some(first) = queue.first() {
            // While threads are queued, only this function takes permits.
            let state = self.state.load(Ordering::Acquire);
            if state >> 1 < first.wanted {
                return granted;
            }
            self.state.fetch_sub(first.wanted << 1, Ordering::Acquire);
            first.grant();
            granted.extend(queue.pop());
        }
        self.state.fetch_and(!QUEUED, Ordering::Relaxed);
        granted
    }
}
