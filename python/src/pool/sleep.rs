//! Waiting for a condition, with an optional deadline.

use crate::object::block;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, WaitSet, Waiter};

/// How long to spin before sleeping. A sleep and a wake-up cost more than that.
const SPIN_DURATION: Duration = Duration::from_micros(5);

/// True if spinning is useful, because another thread can run meanwhile. Set by
/// [`configure_spinning`].
static SPINNING_ENABLED: AtomicBool = AtomicBool::new(false);

/// Decides whether waiting threads spin. Called when the module is imported.
pub(super) fn configure_spinning(py: Python<'_>) -> PyResult<()> {
    let gil = match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(function) => function.call0()?.is_truthy()?,
        None => true,
    };
    let enabled = !gil && std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
    SPINNING_ENABLED.store(enabled, Ordering::Relaxed);
    Ok(())
}

/// Polls `ready` for a short time. Returns true as soon as it does.
pub(super) fn spin_until(mut ready: impl FnMut() -> bool) -> bool {
    if ready() {
        return true;
    }
    if !SPINNING_ENABLED.load(Ordering::Relaxed) {
        return false;
    }
    let start = Instant::now();
    while start.elapsed() < SPIN_DURATION {
        std::hint::spin_loop();
        if ready() {
            return true;
        }
    }
    false
}

/// Converts the `timeout` of a future's method to a deadline: `None` means forever, zero and
/// negative numbers mean now.
pub(super) fn deadline(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    match timeout {
        Some(t) if t.is_nan() => Err(PyValueError::new_err("timeout must not be NaN")),
        Some(t) => {
            let wait = Duration::try_from_secs_f64(t.max(0.0)).ok();
            Ok(wait.and_then(|wait| Instant::now().checked_add(wait)))
        }
        None => Ok(None),
    }
}

/// Sleeps until `ready` returns true; false if the deadline passes first. Threads that make it true
/// must notify all of `set`.
pub(super) fn until(
    py: Python<'_>,
    set: &WaitSet,
    deadline: Option<Instant>,
    ready: impl Fn() -> bool,
) -> PyResult<bool> {
    if spin_until(&ready) {
        return Ok(true);
    }
    let parker = Arc::new(Parker::new(std::ptr::from_ref(set) as usize));
    loop {
        parker.reset();
        let ticket = set.register(Waiter::Thread(Arc::clone(&parker)));
        if ready() {
            set.unregister(ticket);
            return Ok(true);
        }
        // All waiters are notified at once, so no notification must be forwarded.
        match block::park(py, &parker, deadline) {
            Ok(true) => {}
            Ok(false) => {
                set.unregister(ticket);
                return Ok(ready());
            }
            Err(error) => {
                set.unregister(ticket);
                return Err(error);
            }
        }
        if ready() {
            return Ok(true);
        }
    }
}
