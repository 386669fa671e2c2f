//! Locks and meeting points (`ungil_sync::lock`), with the names and the exceptions of `threading`
//! where it has a counterpart.
//!
//! Two things all of them share. A thread sleeps detached and wakes for signals, and when a
//! signal's handler raises, it is out of the queue, with nothing lost, before the exception is. And
//! in the child of a fork whoever waited in the parent is forgotten.

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

/// As long as `threading.TIMEOUT_MAX`.
const LONGEST_S: f64 = 9_223_372_036.0;

/// Any object, for whether it is true: `acquire(0)` is as good as `acquire(False)`.
#[derive(Clone, Copy)]
struct Truth(bool);

impl<'a, 'py> FromPyObject<'a, 'py> for Truth {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        object.is_truthy().map(Self)
    }
}

/// How long a caller is ready to wait.
#[derive(Clone, Copy)]
enum Limit {
    /// Not at all.
    Now,
    /// Until then, or for ever.
    Until(Option<Instant>),
}

impl Limit {
    const FOREVER: Self = Self::Until(None);

    /// From the arguments of `threading.Lock.acquire`: -1 is for ever.
    #[inline]
    fn of_lock(blocking: Truth, timeout: f64) -> PyResult<Self> {
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

    /// From the argument of `threading.Event.wait` and the like: `None` is for ever, anything
    /// negative is no time at all.
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
        if seconds > LONGEST_S {
            return Err(PyOverflowError::new_err("timeout value is too large"));
        }
        Ok(match Duration::from_secs_f64(seconds) {
            Duration::ZERO => Self::Now,
            time => Self::Until(Instant::now().checked_add(time)),
        })
    }

    /// How to sleep in Python until then.
    fn sleep(self, py: Python<'_>) -> impl Fn(&Parker) -> PyResult<bool> + '_ {
        move |parker| match self {
            Self::Now => Ok(parker.is_raised()),
            Self::Until(deadline) => block::park(py, parker, deadline),
        }
    }
}

/// Whether the lock was taken; an error if a fork left its holder behind.
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
        "this {class} was held by another thread when the process was forked; that thread is not in this process and what it was \
         changing may be half done; use a new {class} here, or fork while nothing is held"
    ))
}

/// The name and address of an object, as in `object.__repr__`.
fn describe(object: &Bound<'_, PyAny>, state: &str, more: &str) -> PyResult<String> {
    let class = object.get_type();
    let (module, name) = (class.module()?, class.qualname()?);
    let space = if state.is_empty() { "" } else { " " };
    Ok(format!("<{state}{space}{module}.{name} object{more} at {:#x}>", object.as_ptr().addr()))
}

/// Tells the locks of a child that it is one.
fn mind_forks(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let tell = PyCFunction::new_closure(py, None, None, |_, _| lock::after_fork_in_child())?;
        os.call_method(
            "register_at_fork",
            (),
            Some(&[("after_in_child", tell)].into_py_dict(py)?),
        )?;
    }
    Ok(())
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    mind_forks(py)?;
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
    plain::speed_up(module)?;
    reentrant::speed_up(module)
}
