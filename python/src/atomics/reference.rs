//! The Python class `AtomicRef`.

use super::cell;
use crate::object::fastcall;
use crate::object::{Object, encode, word};
use crossbeam_utils::CachePadded;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::slot::Slot;

/// A reference to any value that many threads read, replace and compare without a lock.
///
/// Reading changes the reference count of the value, so threads that read the same value contend on
/// it. Ints, floats and objects passed to `share` are exempt.
///
/// Thread safety: atomic, all methods.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct AtomicRef {
    slot: Box<CachePadded<Slot<Object>>>,
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<AtomicRef>()?;
    fastcall::none!(module, AtomicRef, "get", |this, py| cell::get(py, &this.slot))?;
    fastcall::one!(module, AtomicRef, "set", |this, value| {
        cell::set(&this.slot, value);
        fastcall::none_result(value.py())
    })
}

#[pymethods]
impl AtomicRef {
    #[new]
    #[pyo3(signature = (value = None, /))]
    fn new(py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> Self {
        let word = value.map_or_else(|| encode(py.None().bind(py)), encode);
        Self { slot: Box::new(CachePadded::new(Slot::new(word))) }
    }

    #[pyo3(signature = (value = None, /))]
    fn __init__(slf: &Bound<'_, Self>, value: Option<&Bound<'_, PyAny>>) {
        let _ = value;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Returns the value.
    fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        cell::get(py, &self.slot)
    }

    /// Replaces the value.
    #[pyo3(signature = (value, /))]
    fn set(&self, value: &Bound<'_, PyAny>) {
        cell::set(&self.slot, value);
    }

    /// Replaces the value and returns the previous one.
    #[pyo3(signature = (value, /))]
    fn get_and_set<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        cell::swap(&self.slot, value)
    }

    /// Replaces the value by `new` if it equals `expected`. Returns true if it did. Two values are
    /// equal if they are the same object, or ints, floats, strs or bytes (not of a subclass) of the
    /// same type and value; floats are compared bit by bit.
    #[pyo3(signature = (expected, new, /))]
    fn compare_and_set(
        &self,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        cell::compare_and_set(&self.slot, expected, new)
    }

    /// Replaces the value by `function(value)` and returns the result. The function is called again
    /// if another thread changes the value meanwhile, so it should have no side effects.
    #[pyo3(signature = (function, /))]
    fn update_and_get<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(cell::update(&self.slot, function)?.1)
    }

    /// As `update_and_get`, but returns the previous value.
    #[pyo3(signature = (function, /))]
    fn get_and_update<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        cell::value(function.py(), cell::update(&self.slot, function)?.0)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cell::generic(class, item)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let shown = cell::repr(slf.as_any(), || Ok(slf.get().get(slf.py())?.repr()?.to_string()))?;
        Ok(format!("{}({shown})", slf.get_type().name()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        // The value is state, not an argument, so that a value that refers back to this object can
        // be restored.
        let state = (slf.get().get(slf.py())?, cell::attributes(slf.as_any())?);
        (slf.get_type(), PyTuple::empty(slf.py()), state).into_pyobject(slf.py())
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let (value, attributes): (Bound<'_, PyAny>, Bound<'_, PyAny>) = state.extract()?;
        slf.get().set(&value);
        cell::set_attributes(slf.as_any(), &attributes)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        word::visit(&self.slot, visit)
    }

    fn __clear__(&self) {
        drop(self.slot.take());
    }
}
