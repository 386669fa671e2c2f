//! Wakes idle workers for new tasks: at most one per task, and none while another worker is already
//! looking for work. A reduced form of the sleep module of rayon.
//!
//! ```text
//! producer:  queue the task -> notify
//! worker:    start_looking -> check -> (work_found | sleep -> check again -> park)
//! ```
//!
//! A producer that sees a worker looking for work may return at once: that worker checks the queues
//! again after it has stopped looking, and the two full fences order the producer's queueing before
//! that check. The last worker that stops looking because it found work notifies the next one. So
//! tasks that arrive in bulk wake worker after worker, not all at once.

use crate::park::{Parker, Ticket, WaitSet, Waiter};
use crate::primitive::atomic::{AtomicUsize, Ordering, fence};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// Tracks which workers look for work and which sleep.
#[derive(Default)]
pub struct Idle {
    /// Number of workers looking for work. Changed with SeqCst; producers load it Relaxed after a
    /// SeqCst fence.
    looking: CachePadded<AtomicUsize>,
    sleepers: WaitSet,
}

impl Idle {
    /// Wakes a worker for a task that has been queued. Returns false if no worker is looking or
    /// asleep: all are busy, or none has started yet.
    #[inline]
    pub fn notify(&self) -> bool {
        fence(Ordering::SeqCst);
        if self.looking.load(Ordering::Relaxed) > 0 {
            return true;
        }
        if self.sleepers.is_empty() {
            return false;
        }
        self.sleepers.notify_one();
        true
    }

    /// Wakes all sleeping workers, for a change that each of them must see.
    pub fn notify_all(&self) {
        self.sleepers.notify_all();
    }

    /// Registers the calling worker as looking for work.
    #[inline]
    pub fn start_looking(&self) {
        self.looking.fetch_add(1, Ordering::SeqCst);
    }

    /// Stops looking because the worker found work. Returns true if no other worker is looking: if
    /// there is more work, the caller should [`Self::notify`].
    #[inline]
    pub fn work_found(&self) -> bool {
        self.looking.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Stops looking and registers the worker as sleeping. The worker must check the queues once
    /// more before it parks, and [`Self::cancel_sleep`] if it finds work.
    pub fn sleep(&self, parker: &Arc<Parker>) -> Ticket {
        self.looking.fetch_sub(1, Ordering::SeqCst);
        self.sleepers.register(Waiter::Thread(Arc::clone(parker)))
    }

    /// Cancels the registration and forwards a wake-up already received.
    pub fn cancel_sleep(&self, ticket: Ticket) {
        if !self.sleepers.unregister(ticket) {
            self.notify();
        }
    }

    /// Returns the number of sleeping workers.
    pub fn sleeping(&self) -> usize {
        self.sleepers.len()
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Mutex;
    use loom::thread;
    use std::collections::VecDeque;

    /// A worker that sleeps whenever it finds nothing still gets every task.
    #[test]
    fn a_sleeping_worker_misses_no_task() {
        // Up to three involuntary preemptions; the full exploration takes minutes.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let pool = Arc::new((Idle::default(), Mutex::new(VecDeque::new())));
            let worker = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    let (idle, queue) = &*pool;
                    let take = || queue.lock().unwrap().pop_front();
                    let mut got = 0;
                    while got < 2 {
                        if take().is_some() {
                            got += 1;
                            continue;
                        }
                        idle.start_looking();
                        if take().is_some() {
                            idle.work_found();
                            got += 1;
                            continue;
                        }
                        let parker = Arc::new(Parker::new(0));
                        let ticket = idle.sleep(&parker);
                        if take().is_some() {
                            idle.cancel_sleep(ticket);
                            got += 1;
                            continue;
                        }
                        parker.park(None);
                    }
                })
            };
            for task in 0..2 {
                pool.1.lock().unwrap().push_back(task);
                pool.0.notify();
            }
            worker.join().unwrap();
        });
    }
}
