//! Workers: the main loop of a pool's threads, and what a worker does while it waits for another's
//! result.
//!
//! A task that waits for a future of its own pool must not block the last worker. If the awaited
//! call has not begun, the waiting worker makes it itself. It makes only that call and no other,
//! because the waiting task may hold locks that another task needs. If the call is running on
//! another worker, the waiting worker sleeps, and a substitute may be started until it wakes.
//! Nested calls are limited in depth; beyond the limit the worker sleeps too.

#![allow(unsafe_code)]

use super::future::Future;
use super::pool_state::PoolState;
use super::task::Task;
use super::{errors, sleep};
use crate::object::{block, count};
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use ungil_sync::park::Parker;
use ungil_sync::pool::{CallState, TransitionError, WorkerQueue};

/// Maximum depth of awaited calls made within one another.
const MAX_NESTED_CALLS: u32 = 48;

/// The worker of the current thread.
pub(super) struct CurrentWorker {
    pool: Arc<PoolState>,
    queue: WorkerQueue<Task>,
    depth: Cell<u32>,
    /// True if this worker counts as blocked until its task ends.
    replaced: Cell<bool>,
    /// True if it is counted as looking for work.
    looking: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<CurrentWorker>>> = const { RefCell::new(None) };
}

/// Returns the calling thread's worker if it belongs to the pool with id `pool`.
#[inline]
pub(super) fn current(pool: u64) -> Option<Rc<CurrentWorker>> {
    CURRENT
        .try_with(|worker| {
            worker.borrow().as_ref().filter(|worker| worker.pool.id == pool).cloned()
        })
        .ok()
        .flatten()
}

/// Queues a call.
pub(super) fn submit<'py>(
    pool: &Arc<PoolState>,
    future: Bound<'py, Future>,
) -> PyResult<Bound<'py, Future>> {
    let py = future.py();
    if pool.rejects_tasks()
        && let Some(error) = pool.submit_error(py)
    {
        return Err(error);
    }
    // Merged, so that the pool's threads change the count without involving the creating thread.
    count::merge_count_of(&future);
    match current(pool.id) {
        Some(worker) => worker.push(Task::Call(future.clone().unbind())),
        None => pool.scheduler.push(Task::Call(future.clone().unbind())),
    }
    let added = pool.notify_or_add_worker();
    // A concurrent `close` either is seen here, or waits for the added worker, or is seen by a
    // worker that will check the queues once more.
    fence(Ordering::SeqCst);
    if pool.rejects_tasks()
        && let Some(error) = pool.submit_error(py)
        && future.call_method0("cancel")?.is_truthy()?
    {
        if added {
            pool.leave();
        }
        return Err(error);
    }
    if added && let Err(error) = pool.start(py) {
        future.call_method0("cancel")?;
        return Err(error);
    }
    Ok(future)
}

/// The main function of a pool's threads.
pub(super) fn work(py: Python<'_>, pool: &Arc<PoolState>) {
    if let Err(error) = pool.initialize(py) {
        errors::log(py, "critical", "Exception in initializer:", None, error);
        pool.fail_all(py);
        pool.leave();
        return;
    }
    let worker = Rc::new(CurrentWorker {
        pool: Arc::clone(pool),
        queue: pool.scheduler.register(),
        depth: Cell::new(0),
        replaced: Cell::new(false),
        looking: Cell::new(false),
    });
    CURRENT.set(Some(Rc::clone(&worker)));
    let surplus = worker.work(py);
    CURRENT.set(None);
    if let Ok(worker) = Rc::try_unwrap(worker) {
        pool.scheduler.unregister(worker.queue);
    }
    if surplus {
        pool.surplus_worker_left(py);
    } else {
        pool.leave();
    }
}

impl CurrentWorker {
    /// Runs tasks. Returns true if the worker left as surplus, false if the pool has ended.
    fn work(&self, py: Python<'_>) -> bool {
        let (pool, idle) = (&*self.pool, &self.pool.scheduler.idle);
        let parker = Arc::new(Parker::new(std::ptr::from_ref(pool) as usize));
        loop {
            if let Some(task) = self.next() {
                self.run(py, task);
                continue;
            }
            if pool.workers.leave_if_surplus(pool.wanted) {
                self.stop_looking();
                // Tasks queued since then: their producers may have relied on this worker.
                if pool.scheduler.has_work() {
                    idle.notify();
                }
                return true;
            }
            parker.reset();
            self.start_looking();
            self.looking.set(false);
            let ticket = idle.sleep(&parker);
            if pool.scheduler.has_work() {
                idle.cancel_sleep(ticket);
                continue;
            }
            if pool.is_shutting_down() {
                idle.cancel_sleep(ticket);
                if pool.scheduler.has_work() {
                    continue;
                }
                return false;
            }
            if let Err(error) = block::park(py, &parker, None) {
                idle.cancel_sleep(ticket);
                errors::log(py, "critical", "Exception in worker", None, error);
            }
        }
    }

    /// Returns the next task, spinning for a short time if there is none.
    fn next(&self) -> Option<Task> {
        let scheduler = &self.pool.scheduler;
        let mut task = self.queue.next(scheduler);
        if task.is_none() && !self.pool.is_shutting_down() {
            self.start_looking();
            sleep::spin_until(|| {
                task = self.queue.next(scheduler);
                task.is_some()
            });
        }
        if task.is_some() {
            self.stop_looking();
        }
        task
    }

    fn start_looking(&self) {
        if !self.looking.replace(true) {
            self.pool.scheduler.idle.start_looking();
        }
    }

    /// Stops looking because there is something to do. Wakes another worker if no other is looking
    /// and there is more work.
    pub(super) fn stop_looking(&self) {
        if self.looking.replace(false)
            && self.pool.scheduler.idle.work_found()
            && self.pool.scheduler.has_work()
        {
            self.pool.scheduler.idle.notify();
        }
    }

    /// Starts looking early, when the task is nearly done and the worker has no other: a producer
    /// of the next task then need not wake another worker. Returns true if it did.
    pub(super) fn start_looking_early(&self) -> bool {
        let early = self.depth.get() == 0 && !self.looking.get();
        if early {
            self.start_looking();
        }
        early
    }

    pub(super) fn push(&self, task: Task) {
        self.queue.push(&self.pool.scheduler, task);
    }

    /// Makes a call unless it was cancelled or another thread makes it.
    fn call(&self, future: &Bound<'_, Future>) {
        let (py, this) = (future.py(), future.get());
        match this.progress.start() {
            Ok(()) => {}
            Err(CallState::Cancelled) => {
                this.notify_cancelled(future);
                return;
            }
            Err(_) => return,
        }
        let (outcome, state) = match this.make_call(py) {
            Ok(value) => (value, CallState::Returned),
            Err(error) => (error.into_value(py).into_any(), CallState::Raised),
        };
        // A thread that waits for this result may submit the next task at once, so this worker
        // starts looking first. Not if there are callbacks to run.
        let early = !this.progress.is_watched() && self.start_looking_early();
        match this.finish(outcome.bind(py), state) {
            Err(TransitionError::Watched) => {
                if early {
                    self.stop_looking();
                }
                if let Err(error) = this.finish_watched(future, state) {
                    errors::log(
                        py,
                        "critical",
                        "failed to finish a future",
                        Some(future.as_any()),
                        error,
                    );
                }
            }
            // Another thread set the outcome first; that one stays.
            Err(TransitionError::WrongState(_)) | Ok(()) => {}
        }
        this.ended.notify_all();
    }

    fn run(&self, py: Python<'_>, task: Task) {
        match task {
            Task::Call(future) => {
                let future = future.bind(py);
                self.call(future);
                // This is the last reference: dropping it drops what the future holds, which may
                // run code for a while.
                // SAFETY: alive while `future` is borrowed.
                if unsafe { ffi::Py_REFCNT(future.as_ptr()) } == 1 {
                    self.stop_looking();
                }
            }
            Task::Bulk(bulk) => bulk.run_worker(py, &self.pool),
        }
        if self.depth.get() == 0 && self.replaced.replace(false) {
            self.pool.workers.end_blocking();
        }
    }

    /// Makes an awaited call itself if it has not begun and is not nested too deeply. A caller with
    /// a timeout does not, because the call may take longer. If too many workers are blocked to
    /// start substitutes, makes the call in any case.
    pub(super) fn help(&self, future: &Bound<'_, Future>, has_timeout: bool) {
        if self.depth.get() < MAX_NESTED_CALLS && !has_timeout || self.pool.workers.is_exhausted() {
            self.depth.set(self.depth.get() + 1);
            self.call(future);
            self.depth.set(self.depth.get() - 1);
        }
    }

    /// Runs `sleep` while this worker counts as blocked, with a substitute if there is work.
    pub(super) fn while_blocked<R>(&self, py: Python<'_>, sleep: impl FnOnce() -> R) -> R {
        self.stop_looking();
        self.pool.workers.begin_blocking();
        if self.pool.scheduler.has_work() {
            self.pool.notify_or_start_worker(py);
        }
        let result = sleep();
        self.pool.workers.end_blocking();
        result
    }

    /// Counts this worker as blocked until its task ends, because the task may block in code
    /// outside this module.
    pub(super) fn may_block(&self, py: Python<'_>) {
        if !self.replaced.replace(true) {
            self.pool.workers.begin_blocking();
            if self.pool.scheduler.has_work() {
                self.pool.notify_or_start_worker(py);
            }
        }
    }
}
