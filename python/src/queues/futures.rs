//! Coroutines that wait at a queue. The waiting itself is Python (`ungil/_awaiting.py`). Here an
//! asyncio future is registered as a thread would be, and notified through its event loop from
//! whichever thread provides the item.

use super::wait_queues::wakeup_unused;
use crate::imported;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ungil_sync::park::{Ticket, WaitSet, Waiter};

/// The futures registered at a queue. This list keeps them alive (an event loop does not) and
/// passes them to the collector; the wait sets hold weak references only.
#[derive(Default)]
pub(super) struct WaitingFutures(Mutex<Vec<(WaitReason, Ticket, Py<PyAny>)>>);

/// The wait set that a future is registered in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitReason {
    Items,
    Space,
    Joiners,
}

impl WaitingFutures {
    fn list(&self) -> MutexGuard<'_, Vec<(WaitReason, Ticket, Py<PyAny>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers `future` in `set`.
    pub(super) fn register(
        &self,
        set: &WaitSet,
        side: WaitReason,
        future: &Bound<'_, PyAny>,
    ) -> PyResult<Registration> {
        let weak = PyWeakrefReference::new(future)?.unbind();
        let kept = future.clone().unbind();
        let call = Arc::new(move || Python::attach(|py| notify(py, &weak)));
        let ticket = set.register(Waiter::Call(call));
        self.list().push((side, ticket, kept));
        Ok(Registration { side, ticket })
    }

    /// Removes a future from the list.
    pub(super) fn forget(&self, registration: &Registration) {
        let mut list = self.list();
        let found = list.iter().position(|(side, ticket, _)| {
            (*side, *ticket) == (registration.side, registration.ticket)
        });
        let dropped = found.map(|index| list.swap_remove(index));
        drop(list);
        drop(dropped);
    }

    /// For `__traverse__`, while all threads are stopped, none of them inside this module.
    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Ok(list) => list.iter().try_for_each(|(_, _, future)| visit.call(future)),
            Err(_) => Ok(()),
        }
    }

    /// For `__clear__`.
    pub(super) fn clear(&self) {
        let dropped = std::mem::take(&mut *self.list());
        drop(dropped);
    }
}

/// A future's registration in a wait set.
#[pyclass(frozen, module = "ungil._ungil")]
pub(super) struct Registration {
    pub(super) side: WaitReason,
    pub(super) ticket: Ticket,
}

fn notify(py: Python<'_>, weak: &Py<PyWeakrefReference>) {
    let notified = || -> PyResult<bool> {
        let future = weak.bind(py).call0()?;
        if future.is_none() {
            return Ok(false);
        }
        let event_loop = future.call_method0("get_loop")?;
        event_loop.call_method1("call_soon_threadsafe", (helper(py, "resolve")?, future))?;
        Ok(true)
    };
    match notified() {
        Ok(true) => {}
        Ok(false) => wakeup_unused(),
        Err(raised) => {
            // The event loop is closed: not an error, another waiter is notified instead.
            wakeup_unused();
            if raised.is_instance_of::<PyKeyboardInterrupt>(py) {
                raise_interrupt_again();
            } else if !raised.is_instance_of::<PyException>(py) {
                raised.write_unraisable(py, None);
            }
        }
    }
}

/// Raises a Ctrl-C that arrived while an event loop was being notified again, for the caller.
#[allow(unsafe_code)]
fn raise_interrupt_again() {
    // SAFETY: may be called from any thread at any time.
    unsafe { pyo3::ffi::PyErr_SetInterrupt() }
}

/// Returns a function of `ungil/_awaiting.py`.
pub(super) fn helper<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    imported::awaiting(py).getattr(name)
}
