//! How idle workers hear of a task: at most one is woken for each, and none while another is
//! looking anyway.
//!
//! ```text
//! giver:   queue the task -> call
//! worker:  search -> look -> (found | give_up -> enlist -> look again -> sleep)
//! ```
//!
//! A giver that saw a searcher may leave it at that: the searcher looks once more after it has
//! stopped being one, and the two full fences order the giver's queueing before that look. The last
//! searcher that finds something calls the next, so that work which came in bulk wakes worker after
//! worker and not all at once.

use crate::park::{Parker, Ticket, WaitSet, Waiter};
use crate::prim::atomic::{AtomicUsize, Ordering, fence};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// Who looks for work and who sleeps.
#[derive(Default)]
pub struct Idle {
    searching: CachePadded<AtomicUsize>,
    asleep: WaitSet,
}

impl Idle {
    /// Calls a worker for a task that has been queued. False if there is none to hear it: all are
    /// busy, or not hired yet.
    #[inline]
    pub fn call(&self) -> bool {
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) > 0 {
            return true;
        }
        if self.asleep.is_empty() {
            return false;
        }
        self.asleep.notify_one();
        true
    }

    /// Wakes everyone: there is something that each of them must see.
    pub fn call_all(&self) {
        self.asleep.notify_all();
    }

    /// The calling worker begins to look for work.
    #[inline]
    pub fn search(&self) {
        self.searching.fetch_add(1, Ordering::SeqCst);
    }

    /// It has found some. True if it was the last that looked: if there is more, it should
    /// [`Self::call`].
    #[inline]
    pub fn found(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// It has found none, and lies down: it must look once more before it sleeps, and
    /// [`Self::withdraw`] if it found some.
    pub fn give_up(&self, parker: &Arc<Parker>) -> Ticket {
        self.searching.fetch_sub(1, Ordering::SeqCst);
        self.asleep.enlist(Waiter::Thread(Arc::clone(parker)))
    }

    /// Gets up again without having been called. If it had been called meanwhile, the call is
    /// passed on.
    pub fn withdraw(&self, ticket: Ticket) {
        if !self.asleep.withdraw(ticket) {
            self.call();
        }
    }

    /// How many sleep.
    pub fn sleeping(&self) -> usize {
        self.asleep.len()
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Mutex;
    use loom::thread;
    use std::collections::VecDeque;

    /// A worker that goes to sleep whenever it finds nothing gets every task, whenever that comes.
    #[test]
    fn no_task_is_slept_through() {
        // All interleavings with up to three switches that nothing forces: the rest takes minutes.
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
                        idle.search();
                        if take().is_some() {
                            idle.found();
                            got += 1;
                            continue;
                        }
                        let parker = Arc::new(Parker::new(0));
                        let ticket = idle.give_up(&parker);
                        if take().is_some() {
                            idle.withdraw(ticket);
                            got += 1;
                            continue;
                        }
                        parker.park(None);
                    }
                })
            };
            for task in 0..2 {
                pool.1.lock().unwrap().push_back(task);
                pool.0.call();
            }
            worker.join().unwrap();
        });
    }
}
