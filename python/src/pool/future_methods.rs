//! The public methods of a future, as in `concurrent.futures.Future`, and the attributes that
//! functions of the standard library read.

use super::future::{Future, run_callback, state_name};
use super::{errors, process, sleep, worker};
use crate::imported;
use crate::object::word::{self, load};
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::Ordering;
use std::time::Instant;
use ungil_sync::pool::{CallState, TransitionError};

/// Done, cancelled, result, exception.
type Snapshot<'py> = (bool, bool, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

impl Future {
    /// Waits for the end of the call. A worker of the same pool makes the call itself if it has not
    /// begun.
    fn wait(&self, slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<CallState> {
        if self.is_done() {
            return Ok(self.progress.state());
        }
        self.wait_until(slf, sleep::deadline(timeout)?)
    }

    fn wait_until(&self, slf: &Bound<'_, Self>, deadline: Option<Instant>) -> PyResult<CallState> {
        let py = slf.py();
        if self.forks != process::fork_count() {
            return Err(PyRuntimeError::new_err(
                "this future's pool exists only in the parent process, so the future never finishes here; create a new ThreadPool after the fork",
            ));
        }
        let worker = worker::current(self.pool.load(Ordering::Relaxed));
        if let Some(worker) = &worker {
            worker.help(slf, deadline.is_some());
        }
        let waited = match worker.filter(|_| !self.is_done()) {
            Some(worker) => worker
                .while_blocked(py, || sleep::until(py, &self.ended, deadline, || self.is_done()))?,
            None => sleep::until(py, &self.ended, deadline, || self.is_done())?,
        };
        if waited { Ok(self.progress.state()) } else { Err(PyTimeoutError::new_err(())) }
    }
}

#[pymethods]
impl Future {
    #[new]
    fn new() -> Self {
        Self::empty()
    }

    /// Replaces the standard library's `__init__`, whose attributes are not needed.
    fn __init__(_slf: &Bound<'_, Self>) {}

    /// Waits for the call and returns its result or raises its exception. Raises `TimeoutError`
    /// after `timeout` seconds and `CancelledError` if it was cancelled. A worker of the same pool
    /// makes the call itself if it has not begun.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (timeout = None))]
    fn result<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let state = this.wait(slf, timeout)?;
        let outcome = load(py, &this.outcome)?;
        match (state, outcome) {
            (CallState::Returned, Some(value)) => Ok(value),
            (CallState::Raised, Some(error)) => Err(PyErr::from_value(error)),
            _ => Err(errors::cancelled(py, "")),
        }
    }

    /// Waits for the call and returns its exception, or `None`. Otherwise as `result`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (timeout = None))]
    fn exception<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, this) = (slf.py(), slf.get());
        match this.wait(slf, timeout)? {
            CallState::Returned => Ok(None),
            CallState::Raised => load(py, &this.outcome),
            _ => Err(errors::cancelled(py, "")),
        }
    }

    /// Returns true if the call has finished or was cancelled.
    ///
    /// Thread safety: atomic.
    fn done(&self) -> bool {
        self.is_done()
    }

    /// Returns true if the call is running.
    ///
    /// Thread safety: atomic.
    fn running(&self) -> bool {
        self.progress.state() == CallState::Running
    }

    /// Returns true if the call was cancelled before it began.
    ///
    /// Thread safety: atomic.
    fn cancelled(&self) -> bool {
        matches!(self.progress.state(), CallState::Cancelled | CallState::Notified)
    }

    /// Cancels the call unless it has begun. Returns true if it is cancelled.
    ///
    /// Thread safety: atomic.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        match this.progress.transition(&[CallState::Pending], CallState::Cancelled, false) {
            Ok(()) => {}
            Err(TransitionError::WrongState(state)) => {
                return Ok(matches!(state, CallState::Cancelled | CallState::Notified));
            }
            Err(TransitionError::Watched) => {
                let error = this.under_condition(py, || {
                    let changed =
                        this.progress.transition(&[CallState::Pending], CallState::Cancelled, true);
                    this.watch.condition(py)?.call_method0(imported::notify_all(py))?;
                    Ok(changed.err())
                })?;
                if let Some(TransitionError::WrongState(state)) = error {
                    return Ok(matches!(state, CallState::Cancelled | CallState::Notified));
                }
            }
        }
        this.ended.notify_all();
        this.drop_call();
        this.run_callbacks(slf)?;
        Ok(true)
    }

    /// Registers `fn(future)` to be called when the call finishes or is cancelled, by the thread
    /// that finishes it. Calls it at once if that has happened already.
    ///
    /// Thread safety: atomic.
    #[pyo3(name = "add_done_callback")]
    fn add_done_callback(slf: &Bound<'_, Self>, r#fn: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if !this.is_done() {
            this.watch.callbacks(py)?;
            this.progress.watch();
            let added = this.under_condition(py, || {
                let pending = !this.is_done();
                if pending {
                    this.watch.callbacks(py)?.call_method1(imported::append(py), (r#fn,))?;
                }
                Ok(pending)
            })?;
            if added {
                return Ok(());
            }
        }
        run_callback(slf, r#fn);
        Ok(())
    }

    /// For executors and tests.
    fn set_result(slf: &Bound<'_, Self>, result: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().set(slf, result, CallState::Returned)
    }

    /// For executors and tests.
    fn set_exception(slf: &Bound<'_, Self>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().set(slf, exception, CallState::Raised)
    }

    /// For executors and tests.
    fn set_running_or_notify_cancel(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let this = slf.get();
        match this.progress.start() {
            Ok(()) => Ok(true),
            Err(CallState::Cancelled) => {
                this.notify_cancelled(slf);
                Ok(false)
            }
            Err(_) => Err(PyRuntimeError::new_err("Future in unexpected state")),
        }
    }

    /// Read by asyncio: done, cancelled, result, exception.
    fn _get_snapshot<'py>(&self, py: Python<'py>) -> PyResult<Snapshot<'py>> {
        Ok(match self.progress.state() {
            CallState::Pending | CallState::Running => (false, false, None, None),
            CallState::Cancelled | CallState::Notified => (true, true, None, None),
            CallState::Returned => (true, false, load(py, &self.outcome)?, None),
            CallState::Raised => (true, false, None, load(py, &self.outcome)?),
        })
    }

    /// Held by `concurrent.futures.wait` and `as_completed` while they read the state.
    #[getter]
    fn _condition<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let condition = self.watch.condition(py)?;
        self.progress.watch();
        Ok(condition)
    }

    /// Where `wait` and `as_completed` register their waiters. A worker of the same pool that reads
    /// it is about to sleep until the future finishes, so another worker must be available to
    /// finish it.
    #[getter]
    fn _waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(worker) = worker::current(self.pool.load(Ordering::Relaxed)) {
            worker.may_block(py);
        }
        self.progress.watch();
        self.watch.waiters(py)
    }

    #[getter]
    fn _done_callbacks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.watch.callbacks(py)
    }

    #[getter]
    fn _state(&self) -> &'static str {
        state_name(self.progress.state())
    }

    #[getter]
    fn _result<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.progress.state() == CallState::Returned {
            load(py, &self.outcome)
        } else {
            Ok(None)
        }
    }

    #[getter]
    fn _exception<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.progress.state() == CallState::Raised { load(py, &self.outcome) } else { Ok(None) }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for slot in [&self.outcome, &self.function, &self.arguments, &self.keywords] {
            word::visit(slot, visit)?;
        }
        self.watch.traverse(visit)
    }

    fn __clear__(&self) {
        drop(self.outcome.take());
        self.drop_call();
        self.watch.clear();
    }
}
