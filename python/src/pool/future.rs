//! One call and its outcome: what `ThreadPool.submit` returns. The Python class `Future` puts it
//! before `concurrent.futures.Future` among its bases, so that it is one, for `wait`,
//! `as_completed`, asyncio and everybody else, while its state is a word and not attributes under a
//! lock.

use super::watch::Watch;
use super::{names, process};
use crate::imported;
use crate::object::{Object, encode, word};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::atomic::{AtomicU64, Ordering};
use ungil_sync::park::WaitSet;
use ungil_sync::pool::{CallProgress, CallState, TransitionError};
use ungil_sync::slot::Slot;

/// The call, its progress, its outcome.
#[pyclass(frozen, subclass, weakref, module = "ungil", name = "_FutureCore")]
pub(crate) struct Future {
    pub(super) progress: CallProgress,
    /// What it returned or raised. Whoever fills it is the one who ends the call.
    pub(super) outcome: Slot<Object>,
    pub(super) function: Slot<Object>,
    pub(super) arguments: Slot<Object>,
    pub(super) keywords: Slot<Object>,
    pub(super) watch: Watch,
    pub(super) ended: WaitSet,
    /// Which pool's workers may run it while they wait for it; 0 for none.
    pub(super) team: AtomicU64,
    pub(super) forks: u32,
}

impl Future {
    /// Nothing to call yet.
    pub(super) fn empty() -> Self {
        Self {
            progress: CallProgress::default(),
            outcome: Slot::default(),
            function: Slot::default(),
            arguments: Slot::default(),
            keywords: Slot::default(),
            watch: Watch::default(),
            ended: WaitSet::default(),
            team: AtomicU64::new(0),
            forks: process::forks(),
        }
    }

    /// A future for a call that a team's worker will make.
    pub(super) fn make<'py>(
        team: u64,
        function: &Bound<'py, PyAny>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        let made = imported::future_type(function.py()).call0()?.cast_into::<Self>()?;
        let future = made.get();
        future.team.store(team, Ordering::Relaxed);
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

    pub(super) fn forget_call(&self) {
        [&self.function, &self.arguments, &self.keywords]
            .into_iter()
            .for_each(|slot| drop(slot.take()));
    }

    /// The callable and its arguments, taken out.
    pub(super) fn call(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let function = word::take(py, &self.function)?;
        let arguments = word::take(py, &self.arguments)?;
        let keywords = word::take(py, &self.keywords)?;
        let (Some(function), Some(arguments)) = (function, arguments) else {
            return Err(PyRuntimeError::new_err("this future has nothing to call"));
        };
        let keywords = keywords.as_ref().map(|keywords| keywords.cast::<PyDict>()).transpose()?;
        Ok(function.call(arguments.cast::<PyTuple>()?, keywords)?.unbind())
    }

    /// Fills the outcome and, if nobody watches, ends the call.
    pub(super) fn progress_to_end(
        &self,
        outcome: &Bound<'_, PyAny>,
        phase: CallState,
    ) -> Result<(), TransitionError> {
        if self.outcome.compare_exchange(None, encode(outcome)).is_err() {
            return Err(TransitionError::WrongState(self.progress.state()));
        }
        self.progress.transition(&[CallState::Pending, CallState::Running], phase, false)
    }

    /// Ends a call whose outcome is filled, before the eyes of those who watch.
    pub(super) fn end_watched(&self, slf: &Bound<'_, Self>, phase: CallState) -> PyResult<()> {
        let py = slf.py();
        let tell = if phase == CallState::Returned {
            imported::add_result(py)
        } else {
            imported::add_exception(py)
        };
        let ended = self.under_condition(py, || {
            let ended =
                self.progress.transition(&[CallState::Pending, CallState::Running], phase, true);
            if ended.is_ok() {
                for waiter in self.watch.waiters(py)?.try_iter()? {
                    waiter?.call_method1(tell, (slf,))?;
                }
                self.watch.condition(py)?.call_method0(imported::notify_all(py))?;
            }
            Ok(ended)
        })?;
        if let Err(TransitionError::WrongState(phase)) = ended {
            return Err(self.invalid(slf, phase));
        }
        self.call_back(slf)
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

    pub(super) fn call_back(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        for callback in self.watch.all_callbacks(slf.py())? {
            call_one_back(slf, &callback);
        }
        Ok(())
    }

    /// Tells those who watch that the call has been cancelled.
    pub(super) fn tell_cancelled(&self, slf: &Bound<'_, Self>) {
        let py = slf.py();
        match self.progress.transition(&[CallState::Cancelled], CallState::Notified, false) {
            Err(TransitionError::Watched) => {
                let told = self.under_condition(py, || {
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
                if let Err(error) = told {
                    names::log(
                        py,
                        "critical",
                        "a waiter could not be told",
                        Some(slf.as_any()),
                        error,
                    );
                }
            }
            Ok(()) | Err(TransitionError::WrongState(_)) => {}
        }
    }

    pub(super) fn invalid(&self, slf: &Bound<'_, Self>, phase: CallState) -> PyErr {
        names::invalid_state(slf.py(), format!("{}: {}", name(phase), repr(slf)))
    }

    pub(super) fn set(
        &self,
        slf: &Bound<'_, Self>,
        outcome: &Bound<'_, PyAny>,
        phase: CallState,
    ) -> PyResult<()> {
        if self.is_done() {
            return Err(self.invalid(slf, self.progress.state()));
        }
        match self.progress_to_end(outcome, phase) {
            Ok(()) => {}
            Err(TransitionError::Watched) => self.end_watched(slf, phase)?,
            Err(TransitionError::WrongState(at)) => return Err(self.invalid(slf, at)),
        }
        self.forget_call();
        self.ended.notify_all();
        Ok(())
    }
}

fn repr(slf: &Bound<'_, Future>) -> String {
    slf.repr().map_or_else(|_| "<Future>".into(), |repr| repr.to_string())
}

pub(super) fn call_one_back(slf: &Bound<'_, Future>, callback: &Bound<'_, PyAny>) {
    if let Err(error) = callback.call1((slf,)) {
        names::log(
            slf.py(),
            "error",
            "exception calling callback for %r",
            Some(slf.as_any()),
            error,
        );
    }
}

pub(super) fn name(phase: CallState) -> &'static str {
    match phase {
        CallState::Pending => "PENDING",
        CallState::Running => "RUNNING",
        CallState::Cancelled => "CANCELLED",
        CallState::Notified => "CANCELLED_AND_NOTIFIED",
        CallState::Returned | CallState::Raised => "FINISHED",
    }
}
