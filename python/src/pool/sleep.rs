//! Waiting until something is so, for a deadline at most.

use crate::object::block;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, WaitSet, Waiter};

/// How long to look before sleeping. Going to sleep and being woken costs more than that.
const LOOK: Duration = Duration::from_micros(5);

/// Whether looking again is worth anything: another thread must be able to run meanwhile. Set by
/// [`look_around`].
static WORTH: AtomicBool = AtomicBool::new(false);

/// Finds out whether it pays to look again. Called when the module is imported.
pub(super) fn look_around(py: Python<'_>) -> PyResult<()> {
    let gil = match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(asked) => asked.call0()?.is_truthy()?,
        None => true,
    };
    let worth = !gil && std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
    WORTH.store(worth, Ordering::Relaxed);
    Ok(())
}

/// Looks for a moment whether something comes about.
pub(super) fn look(mut ready: impl FnMut() -> bool) -> bool {
    if ready() {
        return true;
    }
    if !WORTH.load(Ordering::Relaxed) {
        return false;
    }
    let begun = Instant::now();
    while begun.elapsed() < LOOK {
        std::hint::spin_loop();
        if ready() {
            return true;
        }
    }
    false
}

/// The deadline that a future's `timeout` means: `None` is for ever, anything not above zero is
/// now.
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

/// Sleeps until `ready`, of which `set` is told; false if the deadline came first.
pub(super) fn until(
    py: Python<'_>,
    set: &WaitSet,
    deadline: Option<Instant>,
    ready: impl Fn() -> bool,
) -> PyResult<bool> {
    if look(&ready) {
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
        // Everyone is told at once, so there is no news to pass on.
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
