//! Waiting in a Python thread: detached, so that the collector, fork and other threads go on; woken
//! by signals, so that Ctrl-C works.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, Woken, after_fork_in_child, is_main_thread};

/// The deadline a `timeout` argument means: `None` and anything negative is for ever, as in
/// `threading.Lock.acquire`. A number that no clock reaches is for ever too.
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

/// Has the waiters of a parent forgotten in its forked children, where none of their threads is.
pub(crate) fn mind_forks(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let forget = PyCFunction::new_closure(py, None, None, |_, _| after_fork_in_child())?;
        os.call_method(
            "register_at_fork",
            (),
            Some(&[("after_in_child", forget)].into_py_dict(py)?),
        )?;
    }
    Ok(())
}

/// How long a signal may go unseen that comes in the moment between the last look for one and the
/// sleep, which it then does not end. Nothing else waits for this: it is how often the main thread,
/// which alone handles signals, wakes to look.
const LOOK: Duration = Duration::from_millis(100);

/// Sleeps until `parker`'s flag is up (true) or the deadline has passed (false). Signal handlers
/// run meanwhile; what they raise is raised here, and the caller must then take itself out of
/// whatever it waits in.
pub(crate) fn park(py: Python<'_>, parker: &Parker, deadline: Option<Instant>) -> PyResult<bool> {
    let handles_signals = is_main_thread();
    loop {
        let now = Instant::now();
        let look = handles_signals
            .then(|| deadline.map_or(now + LOOK, |deadline| deadline.min(now + LOOK)));
        match py.detach(|| parker.park(look.or(deadline))) {
            Woken::Notified => return Ok(true),
            Woken::TimedOut if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Ok(false);
            }
            Woken::TimedOut | Woken::Interrupted => py.check_signals()?,
        }
    }
}
