//! The parts of a future that most futures never need: the condition, the list of waiters and the
//! list of callbacks that `concurrent.futures.wait`, `as_completed` and `add_done_callback` use.
//! Each is created on first use.

use crate::imported;
use crate::object::{Object, encode, word};
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::slot::Slot;

/// Objects created on first use.
#[derive(Default)]
pub(super) struct Watch {
    condition: Slot<Object>,
    waiters: Slot<Object>,
    callbacks: Slot<Object>,
}

impl Watch {
    pub(super) fn condition<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        get_or_create(py, &self.condition, || imported::threading(py).call_method0("Condition"))
    }

    pub(super) fn waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        get_or_create(py, &self.waiters, || Ok(PyList::empty(py).into_any()))
    }

    pub(super) fn callbacks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        get_or_create(py, &self.callbacks, || Ok(PyList::empty(py).into_any()))
    }

    /// Returns a copy of the callbacks.
    pub(super) fn all_callbacks<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        if self.callbacks.is_empty() {
            return Ok(Vec::new());
        }
        self.callbacks(py)?.try_iter()?.collect()
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        [&self.condition, &self.waiters, &self.callbacks]
            .into_iter()
            .try_for_each(|slot| word::visit(slot, visit))
    }

    pub(super) fn clear(&self) {
        [&self.condition, &self.waiters, &self.callbacks]
            .into_iter()
            .for_each(|slot| drop(slot.take()));
    }
}

/// Returns the object in `slot`, creating it if there is none. If two threads create it, the first
/// one stays.
fn get_or_create<'py>(
    py: Python<'py>,
    slot: &Slot<Object>,
    make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(existing) = word::load(py, slot)? {
        return Ok(existing);
    }
    drop(slot.compare_exchange(None, encode(&make()?)));
    word::load(py, slot)?
        .ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("the future is being collected"))
}
