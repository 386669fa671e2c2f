//! The part of a future that most futures never need: the condition, the list of waiters and the list of callbacks that
//! `concurrent.futures.wait`, `as_completed` and `add_done_callback` use. They are made when they are first asked for.

#![allow(unsafe_code)]

use crate::imported;
use crate::object::{Object, decode, encode, word};
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::slot::{Counted, Slot};

/// Made when first asked for.
#[derive(Default)]
pub(super) struct Watch {
    condition: Slot,
    waiters: Slot,
    callbacks: Slot,
}

impl Watch {
    pub(super) fn condition<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        once(py, &self.condition, || imported::threading(py).call_method0("Condition"))
    }

    pub(super) fn waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        once(py, &self.waiters, || Ok(PyList::empty(py).into_any()))
    }

    pub(super) fn callbacks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        once(py, &self.callbacks, || Ok(PyList::empty(py).into_any()))
    }

    /// A copy of the callbacks, empty if there are none.
    pub(super) fn all_callbacks<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        if self.callbacks.peek() == 0 {
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
        [&self.condition, &self.waiters, &self.callbacks].into_iter().for_each(empty);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The object in `slot`, made if there is none. Whoever comes second takes the first one's.
fn once<'py>(
    py: Python<'py>,
    slot: &Slot,
    make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut word = slot.load::<Object>();
    if word == 0 {
        let made = encode(&make()?);
        if slot.compare_exchange(0, made).is_err() {
            // SAFETY: `encode` gave the count, and nobody took it.
            unsafe { Object::release(made) };
        }
        word = slot.load::<Object>();
        if word == 0 {
            return Err(pyo3::exceptions::PyRuntimeError::new_err("the future is being collected"));
        }
    }
    // SAFETY: not empty, and the count is ours.
    unsafe { decode(py, word) }
}

/// Empties a slot and releases what was in it.
pub(super) fn empty(slot: &Slot) {
    let word = slot.swap(0);
    if word != 0 {
        // SAFETY: the slot's count is ours now.
        unsafe { Object::release(word) };
    }
}

/// Takes what a slot holds, or nothing.
pub(super) fn take<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Option<Bound<'py, PyAny>>> {
    match slot.swap(0) {
        0 => Ok(None),
        // SAFETY: not empty, and the slot's count is ours now.
        word => unsafe { decode(py, word) }.map(Some),
    }
}

/// What a slot holds, with a count of its own, or nothing.
pub(super) fn load<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Option<Bound<'py, PyAny>>> {
    match slot.load::<Object>() {
        0 => Ok(None),
        // SAFETY: not empty, and the count is ours.
        word => unsafe { decode(py, word) }.map(Some),
    }
}
