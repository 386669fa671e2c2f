//! Blocking in a Python thread: detached from the interpreter, so that the collector, fork and
//! other threads proceed, and woken by signals, so that Ctrl-C works.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, Woken, after_fork_in_child, is_main_thread};

/// Converts a `timeout` argument to a deadline. `None` and negative numbers mean forever, as in
/// `threading.Lock.acquire`; so do numbers too large for the clock.
pub(crate) fn deadline(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    let Some(seconds) = timeout.filter(|t| *t >= 0.0) else {
        return match timeout {
            Some(t) if t.is_nan() => {
                Err(pyo3::exceptions::PyValueError::new_err("timeout must not be NaN"))
            }
            _ => Ok(None),
        };
    };
    Ok(Duration::try_from_secs_f64(seconds).ok().and_then(|d| Instant::now().checked_add(d)))
}

/// Registers the handler that discards the parent's waiters in the child of a fork.
pub(crate) fn register_fork_handler(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let handler = PyCFunction::new_closure(py, None, None, |_, _| after_fork_in_child())?;
        os.call_method(
            "register_at_fork",
            (),
            Some(&[("after_in_child", handler)].into_py_dict(py)?),
        )?;
    }
    Ok(())
}

/// How often the main thread, which alone handles signals, wakes to check for them. A signal that
/// arrives between the last check and the sleep does not end that sleep, so this bounds its delay.
const SIGNAL_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Sleeps until `parker` is raised (true) or the deadline has passed (false). Signal handlers run
/// meanwhile. If one raises, the exception is returned, and the caller must unregister from
/// whatever it waits for.
pub(crate) fn park(py: Python<'_>, parker: &Parker, deadline: Option<Instant>) -> PyResult<bool> {
    let handles_signals = is_main_thread();
    loop {
        let now = Instant::now();
        let check = handles_signals.then(|| {
            deadline.map_or(now + SIGNAL_CHECK_INTERVAL, |deadline| {
                deadline.min(now + SIGNAL_CHECK_INTERVAL)
            })
        });
        match py.detach(|| parker.park(check.or(deadline))) {
            Woken::Notified => return Ok(true),
            Woken::TimedOut if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Ok(false);
            }
            Woken::TimedOut | Woken::Interrupted => py.check_signals()?,
        }
    }
}
