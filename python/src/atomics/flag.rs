//! The Python class `AtomicFlag`.

use super::cell::attributes;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering};

/// A boolean that many threads read and change. To wait for one, use `Event` or `Latch`.
///
/// Thread safety: atomic, all methods.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct AtomicFlag {
    /// SeqCst: a call's effect is visible to all threads before the call returns. A Release store
    /// may still wait in the processor's store buffer then.
    set: AtomicBool,
}

#[pymethods]
impl AtomicFlag {
    #[new]
    #[pyo3(signature = (value = false, /))]
    fn new(value: bool) -> Self {
        Self { set: AtomicBool::new(value) }
    }

    #[pyo3(signature = (value = false, /))]
    fn __init__(slf: &Bound<'_, Self>, value: bool) {
        let _ = value;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Sets the flag.
    fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
    }

    /// Clears the flag.
    fn clear(&self) {
        self.set.store(false, Ordering::SeqCst);
    }

    /// Returns true if the flag is set.
    fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// Sets the flag and returns its previous value: of all threads that call this on a cleared
    /// flag, exactly one gets `False`.
    fn test_and_set(&self) -> bool {
        self.set.swap(true, Ordering::SeqCst)
    }

    /// Clears the flag and returns its previous value.
    fn test_and_clear(&self) -> bool {
        self.set.swap(false, Ordering::SeqCst)
    }

    fn __bool__(&self) -> bool {
        self.is_set()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let value = if slf.get().is_set() { "True" } else { "False" };
        Ok(format!("{}({value})", slf.get_type().name()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        (slf.get_type(), (slf.get().is_set(),), attributes(slf.as_any())?).into_pyobject(slf.py())
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
