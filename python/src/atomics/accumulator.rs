//! The Python class `Accumulator`.

use super::cell;
use crate::object::{Object, word};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::counter::Striped;
use ungil_sync::slot::Slot;

/// Accumulates values with `function(a, b)` from many threads, each in a slot of its own: a running
/// maximum, a union, a concatenation in any order.
///
/// The function must be associative and commutative and have no side effects, since it is applied
/// in any order and sometimes more than once; `function(identity, x)` must be `x`. It runs under no
/// lock. For sums `Adder` is faster.
///
/// Thread safety: atomic, except `get`: it includes all values accumulated before the call, and
/// concurrent ones may or may not be included.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Accumulator {
    // Neither can be part of a cycle that the collector could only break here: both existed before
    // this object.
    function: Py<PyAny>,
    identity: Py<PyAny>,
    accumulated: Striped<Object>,
}

impl Accumulator {
    /// Combines the values that `read` returns for the slots.
    fn fold<'py>(
        &self,
        py: Python<'py>,
        read: impl Fn(&Slot<Object>) -> PyResult<Option<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // All slots are read before the function is called: if it raises, no value that was taken
        // out is left half-way.
        let values = self
            .accumulated
            .slots()
            .filter_map(|slot| read(slot).transpose())
            .collect::<PyResult<Vec<_>>>()?;
        let function = self.function.bind(py);
        let mut values = values.into_iter();
        let Some(first) = values.next() else { return Ok(self.identity.bind(py).clone()) };
        values.try_fold(first, |a, b| function.call1((a, b)))
    }
}

#[pymethods]
impl Accumulator {
    #[new]
    #[pyo3(signature = (function, identity, /))]
    fn new(function: &Bound<'_, PyAny>, identity: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !function.is_callable() {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "Accumulator takes a function of two values and the identity: Accumulator(max, 0)",
            ));
        }
        let (function, identity) = (function.clone().unbind(), identity.clone().unbind());
        Ok(Self { function, identity, accumulated: Striped::default() })
    }

    #[pyo3(signature = (function, identity, /))]
    fn __init__(slf: &Bound<'_, Self>, function: &Bound<'_, PyAny>, identity: &Bound<'_, PyAny>) {
        let _ = (function, identity);
        crate::sharing::defer_count(slf.as_any());
    }

    /// Accumulates `value`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (value, /))]
    fn accumulate(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = value.py();
        let (function, identity) = (self.function.bind(py), self.identity.bind(py));
        cell::replace(py, self.accumulated.current(), |before| {
            function.call1((before.unwrap_or(identity), value))
        })?;
        Ok(())
    }

    /// Returns the combination of all values. Concurrent values may or may not be included.
    ///
    /// Thread safety: shared.
    fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fold(py, |slot| word::load(py, slot))
    }

    /// Returns the combination of all values and starts again from the identity. Each value is in
    /// exactly one such result, unless the function raises.
    ///
    /// Thread safety: atomic for each value.
    fn get_then_reset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fold(py, |slot| word::take(py, slot))
    }

    /// Starts again from the identity, dropping all values.
    ///
    /// Thread safety: atomic for each value.
    fn reset(&self) {
        self.accumulated.slots().for_each(|slot| drop(slot.take()));
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cell::generic(class, item)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (py, this) = (slf.py(), slf.get());
        // Not the value, because that would call the function.
        let shown = cell::repr(slf.as_any(), || {
            Ok(format!("{}, {}", this.function.bind(py).repr()?, this.identity.bind(py).repr()?))
        })?;
        Ok(format!("{}({shown})", slf.get_type().name()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, this) = (slf.py(), slf.get());
        let arguments = (this.function.bind(py), this.identity.bind(py));
        (slf.get_type(), arguments, (this.get(py)?, cell::attributes(slf.as_any())?))
            .into_pyobject(py)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let (value, attributes): (Bound<'_, PyAny>, Bound<'_, PyAny>) = state.extract()?;
        slf.get().accumulate(&value)?;
        cell::set_attributes(slf.as_any(), &attributes)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.identity)?;
        self.accumulated.slots().try_for_each(|slot| word::visit(slot, visit))
    }

    fn __clear__(&self) {
        self.reset();
    }
}
