//! A pool without its handle: what its workers share, and what lives until the last of them has
//! gone.

use super::bulk::Bulk;
use super::names;
use super::process::{self, forks};
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

/// Teams are told apart by this; 0 is none.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

const BROKEN: &str = "A thread initializer failed, the thread pool is not usable anymore";

/// What the workers share.
pub(super) struct Team {
    pub(super) id: u64,
    pub(super) wanted: usize,
    pub(super) scheduler: Scheduler<Task>,
    pub(super) staff: WorkerCount,
    closed: AtomicBool,
    broken: AtomicBool,
    /// Told when a worker leaves.
    pub(super) left: WaitSet,
    pub(super) threads: Mutex<Vec<Py<PyAny>>>,
    prefix: String,
    named: AtomicUsize,
    initializer: OnceLock<(Py<PyAny>, Py<PyTuple>)>,
    pub(super) forks: u32,
    /// What its threads run.
    work: fn(Python<'_>, &Arc<Team>),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Team {
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
            staff: WorkerCount::default(),
            closed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            left: WaitSet::default(),
            threads: Mutex::default(),
            prefix: if prefix.is_empty() { format!("ThreadPool-{}", id - 1) } else { prefix },
            named: AtomicUsize::new(0),
            initializer: initializer.map_or_else(OnceLock::new, OnceLock::from),
            forks: forks(),
            work,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Whether a worker has nothing to wait for any more.
    pub(super) fn is_ending(&self) -> bool {
        self.is_closed() || self.broken.load(Ordering::SeqCst)
    }

    /// Why nothing may be submitted, if so.
    pub(super) fn refusal(&self, py: Python<'_>) -> Option<PyErr> {
        if self.broken.load(Ordering::SeqCst) {
            return Some(names::broken(py, BROKEN));
        }
        if self.forks != forks() {
            return Some(PyRuntimeError::new_err(
                "cannot schedule new futures in a forked child: the pool's threads stayed in the parent process. Make a new ThreadPool",
            ));
        }
        if process::is_ending() {
            return Some(PyRuntimeError::new_err(
                "cannot schedule new futures after interpreter shutdown",
            ));
        }
        self.is_closed()
            .then(|| PyRuntimeError::new_err("cannot schedule new futures after shutdown"))
    }

    #[inline]
    pub(super) fn must_refuse(&self) -> bool {
        self.is_ending() || self.forks != forks() || process::is_ending()
    }

    /// Invites up to `workers` to a row of items.
    pub(super) fn invite(
        self: &Arc<Self>,
        py: Python<'_>,
        bulk: &Arc<Bulk>,
        workers: usize,
    ) -> PyResult<()> {
        if let Some(refusal) = self.refusal(py) {
            return Err(refusal);
        }
        let mut failure = None;
        for _ in 0..workers {
            self.scheduler.push(Task::Bulk(Arc::clone(bulk)));
            if self.call_or_hire()
                && let Err(error) = self.start(py)
            {
                failure = Some(error);
                break;
            }
        }
        fence(Ordering::SeqCst);
        let refusal = if self.must_refuse() { self.refusal(py) } else { None };
        match refusal.or(failure) {
            Some(error) => {
                bulk.stop();
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Invites one more, if that is easily done.
    pub(super) fn invite_another(self: &Arc<Self>, py: Python<'_>, bulk: &Arc<Bulk>) {
        self.scheduler.push(Task::Bulk(Arc::clone(bulk)));
        self.call_or_hire_and_start(py);
    }

    /// Calls an idle worker; if there is none, takes one on: then the caller must [`Self::start`]
    /// it.
    #[inline]
    pub(super) fn call_or_hire(&self) -> bool {
        !self.scheduler.idle.notify() && self.staff.try_add(self.wanted)
    }

    /// The same and starts it. Nothing is lost if it cannot be started: the caller works itself.
    pub(super) fn call_or_hire_and_start(self: &Arc<Self>, py: Python<'_>) {
        if self.call_or_hire() {
            _ = self.start(py);
        }
    }

    /// Starts the thread of one who has been hired. If it cannot be started, and others are there,
    /// it is only one worker less.
    pub(super) fn start(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let target = Bound::new(py, Worker::of(Arc::clone(self)))?;
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
        // A signal may have ended the wait for a thread that comes all the same: it leaves by
        // itself then.
        if !target.get().dismiss() {
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
        let gone = {
            let mut threads = lock(&self.threads);
            threads.iter().position(|known| known.is(thread)).map(|at| threads.swap_remove(at))
        };
        drop(gone);
    }

    /// Runs what the user wants run in each new thread.
    pub(super) fn initialize(&self, py: Python<'_>) -> PyResult<()> {
        match self.initializer.get() {
            Some((initializer, arguments)) => {
                initializer.bind(py).call1(arguments.bind(py)).map(drop)
            }
            None => Ok(()),
        }
    }

    /// The initializer failed: nothing that is queued will be run.
    pub(super) fn break_down(&self, py: Python<'_>) {
        self.broken.store(true, Ordering::SeqCst);
        self.scheduler.idle.notify_all();
        while let Some(task) = self.scheduler.take() {
            let error = names::broken(py, BROKEN);
            match task {
                Task::Call(future) => {
                    _ = future.call_method1(py, "set_exception", (error.into_value(py),))
                }
                Task::Bulk(bulk) => bulk.fail(py, error),
            }
        }
    }

    /// A worker leaves, and its thread ends in a moment.
    pub(super) fn leave(&self) -> usize {
        let left = self.staff.leave();
        self.left.notify_all();
        left
    }

    /// A worker that is too many has left.
    pub(super) fn left_as_surplus(&self, py: Python<'_>) {
        self.left.notify_all();
        if let Ok(thread) = imported::threading(py).call_method0("current_thread") {
            self.forget_thread(&thread);
        }
    }

    /// Takes nothing more. What is queued will still be run.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.forks == forks() {
            self.scheduler.idle.notify_all();
        }
    }

    /// Cancels what is queued.
    pub(super) fn cancel_all(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(task) = self.scheduler.take() {
            match task {
                Task::Call(future) => _ = future.call_method0(py, "cancel")?,
                Task::Bulk(bulk) => bulk.stop(),
            }
        }
        Ok(())
    }

    /// For `repr`: how many workers there are, how many of them sleep.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.staff.len(), self.scheduler.idle.sleeping())
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// What a pool's thread calls.
#[pyclass(frozen, module = "ungil", name = "_Worker")]
struct Worker {
    team: Arc<Team>,
    /// Whether it has come, or has been told not to.
    settled: AtomicBool,
}

impl Worker {
    fn of(team: Arc<Team>) -> Self {
        Self { team, settled: AtomicBool::new(false) }
    }

    /// Has it do nothing, should its thread come yet. False if it has come.
    fn dismiss(&self) -> bool {
        !self.settled.swap(true, Ordering::AcqRel)
    }
}

#[pymethods]
impl Worker {
    fn __call__(&self, py: Python<'_>) {
        if self.dismiss() {
            (self.team.work)(py, &self.team);
        }
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
