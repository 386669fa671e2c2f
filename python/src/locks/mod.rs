//! Locks and synchronization points (`ungil_sync::lock`), with the names and exceptions of
//! `threading` where it has a counterpart.
//!
//! They have two properties in common. A waiting thread is detached from the interpreter and wakes
//! for signals; if a signal handler raises, the thread has left the queue, with no wake-up lost,
//! before the exception propagates. And the child of a fork discards the waiters of the parent.

mod barrier;
mod event;
mod guard;
mod phaser;
mod plain;
mod reentrant;
mod rw;
mod semaphore;
mod stamped;
mod striped;

use crate::object::block;
use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::time::{Duration, Instant};
use ungil_sync::lock::{self, AcquireOutcome};
use ungil_sync::park::Parker;

/// The value of `threading.TIMEOUT_MAX`.
const MAX_TIMEOUT_S: f64 = 9_223_372_036.0;

/// Any object as a boolean: `acquire(0)` means `acquire(False)`.
#[derive(Clone, Copy)]
struct Truthy(bool);

impl<'a, 'py> FromPyObject<'a, 'py> for Truthy {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        object.is_truthy().map(Self)
    }
}

/// How long a caller waits.
#[derive(Clone, Copy)]
enum Limit {
    /// Not at all.
    Now,
    /// Until that time, or forever.
    Until(Option<Instant>),
}

impl Limit {
    const FOREVER: Self = Self::Until(None);

    /// Reads the arguments of `threading.Lock.acquire`, where -1 means forever.
    #[inline]
    fn of_lock(blocking: Truthy, timeout: f64) -> PyResult<Self> {
        match timeout {
            -1.0 => Ok(if blocking.0 { Self::FOREVER } else { Self::Now }),
            _ if !blocking.0 => {
                Err(PyValueError::new_err("can't specify a timeout for a non-blocking call"))
            }
            seconds if seconds < 0.0 => {
                Err(PyValueError::new_err("timeout value must be a non-negative number"))
            }
            seconds => Self::after(seconds),
        }
    }

    /// Reads the argument of `threading.Event.wait` and others: `None` means forever, a negative
    /// number means not at all.
    fn of_wait(timeout: Option<f64>) -> PyResult<Self> {
        match timeout {
            None => Ok(Self::FOREVER),
            Some(seconds) => Self::after(if seconds < 0.0 { 0.0 } else { seconds }),
        }
    }

    fn after(seconds: f64) -> PyResult<Self> {
        if seconds.is_nan() {
            return Err(PyValueError::new_err("timeout must not be NaN"));
        }
        if seconds > MAX_TIMEOUT_S {
            return Err(PyOverflowError::new_err("timeout value is too large"));
        }
        Ok(match Duration::from_secs_f64(seconds) {
            Duration::ZERO => Self::Now,
            time => Self::Until(Instant::now().checked_add(time)),
        })
    }

    /// Returns a function that puts the Python thread to sleep until the limit.
    fn sleep(self, py: Python<'_>) -> impl Fn(&Parker) -> PyResult<bool> + '_ {
        move |parker| match self {
            Self::Now => Ok(parker.is_raised()),
            Self::Until(deadline) => block::park(py, parker, deadline),
        }
    }
}

/// Converts an outcome to a boolean. Fails if the holder exists only in the parent of a fork.
fn taken(outcome: AcquireOutcome, class: &str) -> PyResult<bool> {
    match outcome {
        AcquireOutcome::Acquired => Ok(true),
        AcquireOutcome::TimedOut => Ok(false),
        AcquireOutcome::Orphaned => Err(orphaned(class)),
    }
}

#[cold]
fn orphaned(class: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "this {class} was held by another thread when the process forked; that thread does not exist here, and the data it was \
         changing may be inconsistent; create a new {class} in the child, or fork while no lock is held"
    ))
}

/// Formats an object as `object.__repr__` does, with its state.
fn describe(object: &Bound<'_, PyAny>, state: &str, more: &str) -> PyResult<String> {
    let class = object.get_type();
    let (module, name) = (class.module()?, class.qualname()?);
    let space = if state.is_empty() { "" } else { " " };
    Ok(format!("<{state}{space}{module}.{name} object{more} at {:#x}>", object.as_ptr().addr()))
}

/// Registers the handler that resets locks in the child of a fork.
fn register_fork_handler(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let handler = PyCFunction::new_closure(py, None, None, |_, _| lock::after_fork_in_child())?;
        os.call_method(
            "register_at_fork",
            (),
            Some(&[("after_in_child", handler)].into_py_dict(py)?),
        )?;
    }
    Ok(())
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    register_fork_handler(py)?;
    let sys = py.import("sys")?;
    if sys.hasattr("_is_gil_enabled")? && sys.call_method0("_is_gil_enabled")?.is_truthy()? {
        lock::disable_spinning();
    }
    module.add_class::<plain::Lock>()?;
    module.add_class::<reentrant::RLock>()?;
    module.add_class::<rw::RWLock>()?;
    module.add_class::<stamped::StampedLock>()?;
    module.add_class::<striped::StripedLock>()?;
    module.add_class::<semaphore::Semaphore>()?;
    module.add_class::<event::Event>()?;
    module.add_class::<event::Latch>()?;
    module.add_class::<barrier::Barrier>()?;
    module.add_class::<phaser::Phaser>()?;
    module.add_class::<guard::ReadGuard>()?;
    module.add_class::<guard::WriteGuard>()?;
    module.add_class::<striped::AllGuard>()?;
    plain::install_fast_methods(module)?;
    reentrant::install_fast_methods(module)
}
