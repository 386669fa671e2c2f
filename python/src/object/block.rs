//! Waiting in a Python thread: detached, so that the collector, fork and other threads go on; woken by signals, so that Ctrl-C works.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, Woken, forked};

/// The deadline a `timeout` argument means: `None` and anything negative is for ever, as in `threading.Lock.acquire`. A number that no clock
/// reaches is for ever too.
pub(crate) fn deadline(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    let Some(seconds) = timeout.filter(|t| *t >= 0.0) else {
        return match timeout {
            Some(t) if t.is_nan() => Err(pyo3::exceptions::PyValueError::new_err("timeout must not be NaN")),
            _ => Ok(None),
        };
    };
    Ok(Duration::try_from_secs_f64(seconds).ok().and_then(|d| Instant::now().checked_add(d)))
}

/// Has the waiters of a parent forgotten in its forked children, where none of their threads is.
pub(crate) fn mind_forks(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let forget = PyCFunction::new_closure(py, None, None, |_, _| forked())?;
        os.call_method("register_at_fork", (), Some(&[("after_in_child", forget)].into_py_dict(py)?))?;
    }
    Ok(())
}

/// Sleeps until `parker`'s flag is up (true) or the deadline has passed (false). Signal handlers run meanwhile; what they raise is raised
/// here, and the caller must then take itself out of whatever it waits in.
pub(crate) fn park(py: Python<'_>, parker: &Parker, deadline: Option<Instant>) -> PyResult<bool> {
    loop {
        match py.detach(|| parker.park(deadline)) {
            Woken::Notified => return Ok(true),
            Woken::TimedOut => return Ok(false),
            Woken::Interrupted => py.check_signals()?,
        }
    }
}
