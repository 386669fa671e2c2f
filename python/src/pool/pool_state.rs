//! The state that a pool's workers share. It is separate from the pool's handle and lives until the
//! last worker has ended.

use super::bulk::Bulk;
use super::errors;
use super::process::{self, fork_count};
use super::task::Task;
use crate::imported;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use ungil_sync::park::WaitSet;
use ungil_sync::pool::{Scheduler, WorkerCount};

/// The next pool id; 0 means no pool.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

const BROKEN: &str = "A thread initializer failed, the thread pool is not usable anymore";

/// The state that a pool's workers share.
pub(super) struct PoolState {
    pub(super) id: u64,
    /// The number of workers that should be unblocked.
    pub(super) wanted: usize,
    pub(super) scheduler: Scheduler<Task>,
    pub(super) workers: WorkerCount,
    closed: AtomicBool,
    broken: AtomicBool,
    /// Notified when a worker ends.
    pub(super) left: WaitSet,
    pub(super) threads: Mutex<Vec<Py<PyAny>>>,
    prefix: String,
    /// Number of thread names given out.
    named: AtomicUsize,
    initializer: OnceLock<(Py<PyAny>, Py<PyTuple>)>,
    pub(super) forks: u32,
    /// The main function of its threads.
    work: fn(Python<'_>, &Arc<PoolState>),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PoolState {
    pub(super) fn new(
        wanted: usize,
        prefix: String,
        initializer: Option<(Py<PyAny>, Py<PyTuple>)>,
        work: fn(Python<'_>, &Arc<Self>),
    ) -> Arc<Self> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            id,
            wanted,
            scheduler: Scheduler::new(wanted),
            workers: WorkerCount::default(),
            closed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            left: WaitSet::default(),
            threads: Mutex::default(),
            prefix: if prefix.is_empty() { format!("ThreadPool-{}", id - 1) } else { prefix },
            named: AtomicUsize::new(0),
            initializer: initializer.map_or_else(OnceLock::new, OnceLock::from),
            forks: fork_count(),
            work,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Returns true if idle workers must end.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.is_closed() || self.broken.load(Ordering::SeqCst)
    }

    /// Returns the error that `submit` raises, if the pool accepts no tasks.
    pub(super) fn submit_error(&self, py: Python<'_>) -> Option<PyErr> {
        if self.broken.load(Ordering::SeqCst) {
            return Some(errors::broken(py, BROKEN));
        }
        if self.forks != fork_count() {
            return Some(PyRuntimeError::new_err(
                "cannot schedule new futures in a forked child: the pool's threads exist only in the parent process; create a new ThreadPool",
            ));
        }
        if process::is_shutting_down() {
            return Some(PyRuntimeError::new_err(
                "cannot schedule new futures after interpreter shutdown",
            ));
        }
        self.is_closed()
            .then(|| PyRuntimeError::new_err("cannot schedule new futures after shutdown"))
    }

    #[inline]
    pub(super) fn rejects_tasks(&self) -> bool {
        self.is_shutting_down() || self.forks != fork_count() || process::is_shutting_down()
    }

    /// Invites up to `workers` workers to a bulk operation.
    pub(super) fn invite(
        self: &Arc<Self>,
        py: Python<'_>,
        bulk: &Arc<Bulk>,
        workers: usize,
    ) -> PyResult<()> {
        if let Some(error) = self.submit_error(py) {
            return Err(error);
        }
        let mut failure = None;
        for _ in 0..workers {
            self.scheduler.push(Task::Bulk(Arc::clone(bulk)));
            if self.notify_or_add_worker()
                && let Err(error) = self.start(py)
            {
                failure = Some(error);
                break;
            }
        }
        fence(Ordering::SeqCst);
        let error = if self.rejects_tasks() { self.submit_error(py) } else { None };
        match error.or(failure) {
            Some(error) => {
                bulk.stop();
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Invites one more worker, ignoring failures to start one.
    pub(super) fn invite_one(self: &Arc<Self>, py: Python<'_>, bulk: &Arc<Bulk>) {
        self.scheduler.push(Task::Bulk(Arc::clone(bulk)));
        self.notify_or_start_worker(py);
    }

    /// Wakes an idle worker. If there is none, adds a worker to the count and returns true: the
    /// caller must then [`Self::start`] it.
    #[inline]
    pub(super) fn notify_or_add_worker(&self) -> bool {
        !self.scheduler.idle.notify() && self.workers.try_add(self.wanted)
    }

    /// Wakes an idle worker or starts one. A failure to start is ignored, because the caller works
    /// itself.
    pub(super) fn notify_or_start_worker(self: &Arc<Self>, py: Python<'_>) {
        if self.notify_or_add_worker() {
            _ = self.start(py);
        }
    }

    /// Starts the thread of a worker that was added to the count. If the thread cannot be started
    /// but other workers exist, succeeds with one worker less.
    pub(super) fn start(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let target = Bound::new(py, Worker::new(Arc::clone(self)))?;
        let name = format!("{}_{}", self.prefix, self.named.fetch_add(1, Ordering::Relaxed));
        let thread = || {
            let name = name.as_str().into_pyobject(py)?;
            let arguments = [("target", target.as_any()), ("name", name.as_any())];
            let thread = imported::threading(py).call_method(
                "Thread",
                (),
                Some(&arguments.into_py_dict(py)?),
            )?;
            lock(&self.threads).push(thread.clone().unbind());
            let started = thread.call_method0("start").map(drop);
            PyResult::Ok((thread, started))
        };
        let (thread, error) = match thread() {
            Ok((_, Ok(()))) => return Ok(()),
            Ok((thread, Err(error))) => (Some(thread), error),
            Err(error) => (None, error),
        };
        // A signal may have interrupted `start` although the thread begins later; it then ends by
        // itself.
        if !target.get().claim() {
            return Err(error);
        }
        if let Some(thread) = thread {
            self.forget_thread(&thread);
        }
        if self.leave() > 0 && error.is_instance_of::<PyRuntimeError>(py) {
            Ok(())
        } else {
            Err(error)
        }
    }

    fn forget_thread(&self, thread: &Bound<'_, PyAny>) {
        let removed = {
            let mut threads = lock(&self.threads);
            threads.iter().position(|known| known.is(thread)).map(|at| threads.swap_remove(at))
        };
        drop(removed);
    }

    /// Runs the user's initializer in a new thread.
    pub(super) fn initialize(&self, py: Python<'_>) -> PyResult<()> {
        match self.initializer.get() {
            Some((initializer, arguments)) => {
                initializer.bind(py).call1(arguments.bind(py)).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Marks the pool as broken because the initializer failed, and fails all queued tasks.
    pub(super) fn fail_all(&self, py: Python<'_>) {
        self.broken.store(true, Ordering::SeqCst);
        self.scheduler.idle.notify_all();
        while let Some(task) = self.scheduler.take() {
            let error = errors::broken(py, BROKEN);
            match task {
                Task::Call(future) => {
                    _ = future.call_method1(py, "set_exception", (error.into_value(py),))
                }
                Task::Bulk(bulk) => bulk.fail(py, error),
            }
        }
    }

    /// Removes a worker whose thread is about to end. Returns how many are left.
    pub(super) fn leave(&self) -> usize {
        let left = self.workers.leave();
        self.left.notify_all();
        left
    }

    /// Cleans up after a surplus worker, which has already been removed from the count.
    pub(super) fn surplus_worker_left(&self, py: Python<'_>) {
        self.left.notify_all();
        if let Ok(thread) = imported::threading(py).call_method0("current_thread") {
            self.forget_thread(&thread);
        }
    }

    /// Stops accepting tasks. Queued tasks still run.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.forks == fork_count() {
            self.scheduler.idle.notify_all();
        }
    }

    /// Cancels all queued tasks.
    pub(super) fn cancel_all(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(task) = self.scheduler.take() {
            match task {
                Task::Call(future) => _ = future.call_method0(py, "cancel")?,
                Task::Bulk(bulk) => bulk.stop(),
            }
        }
        Ok(())
    }

    /// Returns the number of workers and how many of them sleep, for `repr`.
    pub(super) fn worker_counts(&self) -> (usize, usize) {
        (self.workers.len(), self.scheduler.idle.sleeping())
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// The target of a pool's thread.
#[pyclass(frozen, module = "ungil", name = "_Worker")]
struct Worker {
    pool: Arc<PoolState>,
    /// True once the thread has begun or a failed start has cancelled it. AcqRel.
    claimed: AtomicBool,
}

impl Worker {
    fn new(pool: Arc<PoolState>) -> Self {
        Self { pool, claimed: AtomicBool::new(false) }
    }

    /// Claims the worker. Returns false if it was claimed before: by its thread, which runs it, or
    /// by a failed start, after which the thread does nothing.
    fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }
}

#[pymethods]
impl Worker {
    fn __call__(&self, py: Python<'_>) {
        if self.claim() {
            (self.pool.work)(py, &self.pool);
        }
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
