//! One call and its outcome, as returned by `ThreadPool.submit`. The Python class `Future` has this
//! core before `concurrent.futures.Future` among its bases, so it is one for `wait`,
//! `as_completed`, asyncio and all other code, but its state is one word instead of attributes
//! under a lock.

use super::watch::Watch;
use super::{errors, process};
use crate::imported;
use crate::object::{Object, encode, word};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::atomic::{AtomicU64, Ordering};
use ungil_sync::park::WaitSet;
use ungil_sync::pool::{CallProgress, CallState, TransitionError};
use ungil_sync::slot::Slot;

/// A call, its state and its outcome.
#[pyclass(frozen, subclass, weakref, module = "ungil", name = "_FutureCore")]
pub(crate) struct Future {
    pub(super) progress: CallProgress,
    /// The returned value or the exception. The thread that fills it finishes the call.
    pub(super) outcome: Slot<Object>,
    pub(super) function: Slot<Object>,
    pub(super) arguments: Slot<Object>,
    pub(super) keywords: Slot<Object>,
    pub(super) watch: Watch,
    pub(super) ended: WaitSet,
    /// Id of the pool whose workers may run the call while they wait for it; 0 for none.
    pub(super) pool: AtomicU64,
    pub(super) forks: u32,
}

impl Future {
    /// Creates a future without a call.
    pub(super) fn empty() -> Self {
        Self {
            progress: CallProgress::default(),
            outcome: Slot::default(),
            function: Slot::default(),
            arguments: Slot::default(),
            keywords: Slot::default(),
            watch: Watch::default(),
            ended: WaitSet::default(),
            pool: AtomicU64::new(0),
            forks: process::fork_count(),
        }
    }

    /// Creates a future for a call that a worker of pool `pool` will make.
    pub(super) fn for_call<'py>(
        pool: u64,
        function: &Bound<'py, PyAny>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        let made = imported::future_type(function.py()).call0()?.cast_into::<Self>()?;
        let future = made.get();
        future.pool.store(pool, Ordering::Relaxed);
        future.function.swap(encode(function));
        future.arguments.swap(encode(arguments.as_any()));
        if let Some(keywords) = keywords {
            future.keywords.swap(encode(keywords.as_any()));
        }
        Ok(made)
    }

    pub(super) fn is_done(&self) -> bool {
        !matches!(self.progress.state(), CallState::Pending | CallState::Running)
    }

    pub(super) fn drop_call(&self) {
        [&self.function, &self.arguments, &self.keywords]
            .into_iter()
            .for_each(|slot| drop(slot.take()));
    }

    /// Makes the call. Takes the function and its arguments out of the future.
    pub(super) fn make_call(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let function = word::take(py, &self.function)?;
        let arguments = word::take(py, &self.arguments)?;
        let keywords = word::take(py, &self.keywords)?;
        let (Some(function), Some(arguments)) = (function, arguments) else {
            return Err(PyRuntimeError::new_err("this future has nothing to call"));
        };
        let keywords = keywords.as_ref().map(|keywords| keywords.cast::<PyDict>()).transpose()?;
        Ok(function.call(arguments.cast::<PyTuple>()?, keywords)?.unbind())
    }

    /// Stores the outcome and, unless the future is watched, finishes the call.
    pub(super) fn finish(
        &self,
        outcome: &Bound<'_, PyAny>,
        state: CallState,
    ) -> Result<(), TransitionError> {
        if self.outcome.compare_exchange(None, encode(outcome)).is_err() {
            return Err(TransitionError::WrongState(self.progress.state()));
        }
        self.progress.transition(&[CallState::Pending, CallState::Running], state, false)
    }

    /// Finishes a call whose outcome is stored, under the condition of a watched future, and
    /// notifies its waiters.
    pub(super) fn finish_watched(&self, slf: &Bound<'_, Self>, state: CallState) -> PyResult<()> {
        let py = slf.py();
        let notify = if state == CallState::Returned {
            imported::add_result(py)
        } else {
            imported::add_exception(py)
        };
        let finished = self.under_condition(py, || {
            let finished =
                self.progress.transition(&[CallState::Pending, CallState::Running], state, true);
            if finished.is_ok() {
                for waiter in self.watch.waiters(py)?.try_iter()? {
                    waiter?.call_method1(notify, (slf,))?;
                }
                self.watch.condition(py)?.call_method0(imported::notify_all(py))?;
            }
            Ok(finished)
        })?;
        if let Err(TransitionError::WrongState(state)) = finished {
            return Err(self.invalid_state(slf, state));
        }
        self.run_callbacks(slf)
    }

    pub(super) fn under_condition<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        let condition = self.watch.condition(py)?;
        condition.call_method0(imported::acquire(py))?;
        let result = work();
        condition.call_method0(imported::release(py))?;
        result
    }

    pub(super) fn run_callbacks(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        for callback in self.watch.all_callbacks(slf.py())? {
            run_callback(slf, &callback);
        }
        Ok(())
    }

    /// Notifies waiters that the call was cancelled.
    pub(super) fn notify_cancelled(&self, slf: &Bound<'_, Self>) {
        let py = slf.py();
        match self.progress.transition(&[CallState::Cancelled], CallState::Notified, false) {
            Err(TransitionError::Watched) => {
                let notified = self.under_condition(py, || {
                    if self
                        .progress
                        .transition(&[CallState::Cancelled], CallState::Notified, true)
                        .is_ok()
                    {
                        for waiter in self.watch.waiters(py)?.try_iter()? {
                            waiter?.call_method1(imported::add_cancelled(py), (slf,))?;
                        }
                    }
                    Ok(())
                });
                if let Err(error) = notified {
                    errors::log(
                        py,
                        "critical",
                        "failed to notify the waiters of a cancelled future",
                        Some(slf.as_any()),
                        error,
                    );
                }
            }
            Ok(()) | Err(TransitionError::WrongState(_)) => {}
        }
    }

    pub(super) fn invalid_state(&self, slf: &Bound<'_, Self>, state: CallState) -> PyErr {
        errors::invalid_state(slf.py(), format!("{}: {}", state_name(state), repr(slf)))
    }

    pub(super) fn set(
        &self,
        slf: &Bound<'_, Self>,
        outcome: &Bound<'_, PyAny>,
        state: CallState,
    ) -> PyResult<()> {
        if self.is_done() {
            return Err(self.invalid_state(slf, self.progress.state()));
        }
        match self.finish(outcome, state) {
            Ok(()) => {}
            Err(TransitionError::Watched) => self.finish_watched(slf, state)?,
            Err(TransitionError::WrongState(at)) => return Err(self.invalid_state(slf, at)),
        }
        self.drop_call();
        self.ended.notify_all();
        Ok(())
    }
}

fn repr(slf: &Bound<'_, Future>) -> String {
    slf.repr().map_or_else(|_| "<Future>".into(), |repr| repr.to_string())
}

pub(super) fn run_callback(slf: &Bound<'_, Future>, callback: &Bound<'_, PyAny>) {
    if let Err(error) = callback.call1((slf,)) {
        errors::log(
            slf.py(),
            "error",
            "exception calling callback for %r",
            Some(slf.as_any()),
            error,
        );
    }
}

/// Returns the name that `concurrent.futures` gives to a state.
pub(super) fn state_name(state: CallState) -> &'static str {
    match state {
        CallState::Pending => "PENDING",
        CallState::Running => "RUNNING",
        CallState::Cancelled => "CANCELLED",
        CallState::Notified => "CANCELLED_AND_NOTIFIED",
        CallState::Returned | CallState::Raised => "FINISHED",
    }
}
