//! `AtomicFlag`.

use super::cell::attributes;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering};

/// A yes or no that many threads read and change. To wait for one, use `threading.Event` or
/// `Latch`.
///
/// Thread safety: atomic, all methods.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct AtomicFlag {
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
        crate::sharing::own(slf.as_any());
    }

    /// Sets it.
    fn set(&self) {
        self.set.store(true, Ordering::Release);
    }

    /// Unsets it.
    fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }

    /// Whether it is set.
    fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Sets it and returns whether it was set before: of all threads that call this on an unset
    /// flag, one gets `False`.
    fn test_and_set(&self) -> bool {
        self.set.swap(true, Ordering::AcqRel)
    }

    /// Unsets it and returns whether it was set before.
    fn test_and_clear(&self) -> bool {
        self.set.swap(false, Ordering::AcqRel)
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
