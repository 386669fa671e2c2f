//! The task queues of a pool: one FIFO queue for tasks submitted from outside, and one queue per
//! worker for the tasks that the worker itself submits, from which other workers steal (the deques
//! of Chase and Lev, "Dynamic Circular Work-Stealing Deque", SPAA 2005, as implemented by
//! `crossbeam-deque`).

use super::Idle;
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Maximum number of per-worker queues. Further workers use the shared queue.
const MAX_WORKER_QUEUES: usize = 256;
/// A worker searches the queues in reverse order once in this many searches, so that no task
/// starves behind an endless stream of others.
const REVERSE_SEARCH_INTERVAL: u32 = 31;

/// The task queues.
pub struct Scheduler<T> {
    shared: Injector<T>,
    stealers: Box<[OnceLock<Stealer<T>>]>,
    /// Number of stealers handed out. May exceed the length of `stealers`. Relaxed: each entry is
    /// published by its `OnceLock`.
    allocated: AtomicUsize,
    /// Queues of workers that have unregistered.
    unused: Mutex<Vec<(usize, Worker<T>)>>,
    /// Workers that wait for a task.
    pub idle: Idle,
}

/// A registered worker's queue. It belongs to one thread.
pub struct WorkerQueue<T> {
    own: Option<(usize, Worker<T>)>,
    searches: Cell<u32>,
}

impl<T> Scheduler<T> {
    /// Creates the queues for `workers` workers.
    pub fn new(workers: usize) -> Self {
        Self {
            shared: Injector::new(),
            stealers: (0..workers.min(MAX_WORKER_QUEUES)).map(|_| OnceLock::new()).collect(),
            allocated: AtomicUsize::new(0),
            unused: Mutex::new(Vec::new()),
            idle: Idle::default(),
        }
    }

    /// Queues a task from outside the pool. The caller then calls [`Idle::notify`].
    pub fn push(&self, task: T) {
        self.shared.push(task);
    }

    /// Registers the calling worker and returns its queue.
    pub fn register(&self) -> WorkerQueue<T> {
        let unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let own = unused.or_else(|| {
            let index = self.allocated.fetch_add(1, Ordering::Relaxed);
            let stealer = self.stealers.get(index)?;
            let queue = Worker::new_fifo();
            stealer.set(queue.stealer()).ok()?;
            Some((index, queue))
        });
        WorkerQueue { own, searches: Cell::new(0) }
    }

    /// Unregisters a worker. Tasks left in its queue move to the shared queue.
    pub fn unregister(&self, worker: WorkerQueue<T>) {
        if let Some((index, queue)) = worker.own {
            while let Some(task) = queue.pop() {
                self.shared.push(task);
            }
            self.unused.lock().unwrap_or_else(PoisonError::into_inner).push((index, queue));
        }
    }

    /// Returns true if any task is queued.
    pub fn has_work(&self) -> bool {
        !self.shared.is_empty() || self.stealers().any(|stealer| !stealer.is_empty())
    }

    /// Takes a task from any queue, to drain the queues from outside the pool.
    pub fn take(&self) -> Option<T> {
        steal(|| self.shared.steal()).or_else(|| self.steal(0))
    }

    fn stealers(&self) -> impl Iterator<Item = &Stealer<T>> {
        self.stealers.iter().filter_map(OnceLock::get)
    }

    /// Steals a task from another worker, beginning with the one after `index`.
    fn steal(&self, index: usize) -> Option<T> {
        let allocated = self.allocated.load(Ordering::Relaxed).min(self.stealers.len());
        (1..=allocated).find_map(|step| {
            let stealer = self.stealers[(index + step) % allocated].get()?;
            steal(|| stealer.steal())
        })
    }
}

fn steal<T>(mut attempt: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match attempt() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

impl<T> WorkerQueue<T> {
    /// Returns the next task for this worker: from its own queue, the shared queue, or another
    /// worker's.
    pub fn next(&self, scheduler: &Scheduler<T>) -> Option<T> {
        let index = self.own.as_ref().map_or(0, |own| own.0);
        let own = || self.own.as_ref().and_then(|own| own.1.pop());
        let shared = || steal(|| scheduler.shared.steal());
        let searches = self.searches.get().wrapping_add(1);
        self.searches.set(searches);
        if searches.is_multiple_of(REVERSE_SEARCH_INTERVAL) {
            return scheduler.steal(index).or_else(shared).or_else(own);
        }
        own().or_else(shared).or_else(|| scheduler.steal(index))
    }

    /// Queues a task submitted by the worker itself. The caller then calls [`Idle::notify`].
    pub fn push(&self, scheduler: &Scheduler<T>, task: T) {
        match &self.own {
            Some((_, queue)) => queue.push(task),
            None => scheduler.push(task),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn concurrent_workers_take_every_task_once() {
        const TASKS: usize = 20_000;
        let scheduler = Scheduler::<usize>::new(3);
        let taken: Vec<_> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
        let left = AtomicUsize::new(TASKS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let worker = scheduler.register();
                    while left.load(Ordering::Relaxed) > 0 {
                        let Some(task) = worker.next(&scheduler) else {
                            std::thread::yield_now();
                            continue;
                        };
                        taken[task].fetch_add(1, Ordering::Relaxed);
                        left.fetch_sub(1, Ordering::Relaxed);
                        // Workers submit half of the tasks.
                        if task < TASKS / 2 {
                            worker.push(&scheduler, task + TASKS / 2);
                        }
                    }
                    scheduler.unregister(worker);
                });
            }
            for task in 0..TASKS / 2 {
                scheduler.push(task);
            }
        });
        assert!(taken.iter().all(|times| times.load(Ordering::Relaxed) == 1));
        assert!(!scheduler.has_work());
    }

    #[test]
    fn unregistering_keeps_the_workers_queued_tasks() {
        let scheduler = Scheduler::new(1);
        let worker = scheduler.register();
        worker.push(&scheduler, 7);
        scheduler.unregister(worker);
        assert_eq!(scheduler.take(), Some(7));
    }
}
