//! Coroutines that wait at a queue. The waiting itself is Python (`ungil/_awaiting.py`); here a
//! future is enlisted as a thread would be, and told through its event loop, from whatever thread
//! the item comes.

use super::gates::deaf;
use crate::imported;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ungil_sync::park::{Ticket, WaitSet, Waiter};

/// The futures enlisted at a queue. It keeps them alive (an event loop does not) and shows them to
/// the collector; the sets only know them weakly.
#[derive(Default)]
pub(super) struct Futures(Mutex<Vec<(Side, Ticket, Py<PyAny>)>>);

/// Which set a future waits in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Items,
    Room,
    Joiners,
}

impl Futures {
    fn list(&self) -> MutexGuard<'_, Vec<(Side, Ticket, Py<PyAny>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enlists `future` in `set`.
    pub(super) fn register(
        &self,
        set: &WaitSet,
        side: Side,
        future: &Bound<'_, PyAny>,
    ) -> PyResult<Enlisted> {
        let weak = PyWeakrefReference::new(future)?.unbind();
        let kept = future.clone().unbind();
        let call = Arc::new(move || Python::attach(|py| tell(py, &weak)));
        let ticket = set.register(Waiter::Call(call));
        self.list().push((side, ticket, kept));
        Ok(Enlisted { side, ticket })
    }

    /// Forgets a future.
    pub(super) fn forget(&self, place: &Enlisted) {
        let mut list = self.list();
        let found = list
            .iter()
            .position(|(side, ticket, _)| (*side, *ticket) == (place.side, place.ticket));
        let dropped = found.map(|index| list.swap_remove(index));
        drop(list);
        drop(dropped);
    }

    /// For `__traverse__`: all threads stand still, none of them in here.
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

/// A future's place in a set.
#[pyclass(frozen, module = "ungil._ungil")]
pub(super) struct Enlisted {
    pub(super) side: Side,
    pub(super) ticket: Ticket,
}

fn tell(py: Python<'_>, weak: &Py<PyWeakrefReference>) {
    let told = || -> PyResult<bool> {
        let future = weak.bind(py).call0()?;
        if future.is_none() {
            return Ok(false);
        }
        let event_loop = future.call_method0("get_loop")?;
        event_loop.call_method1("call_soon_threadsafe", (helper(py, "resolve")?, future))?;
        Ok(true)
    };
    match told() {
        Ok(true) => {}
        Ok(false) => deaf(),
        Err(raised) => {
            // The loop is closed: nothing to report, somebody else will hear it.
            deaf();
            if raised.is_instance_of::<PyKeyboardInterrupt>(py) {
                interrupt_again();
            } else if !raised.is_instance_of::<PyException>(py) {
                raised.write_unraisable(py, None);
            }
        }
    }
}

/// Ctrl-C that arrived while a loop was being told belongs to the caller, not to us.
#[allow(unsafe_code)]
fn interrupt_again() {
    // SAFETY: may be called from any thread at any time.
    unsafe { pyo3::ffi::PyErr_SetInterrupt() }
}

/// A function of `ungil/_awaiting.py`.
pub(super) fn helper<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    imported::awaiting(py).getattr(name)
}
