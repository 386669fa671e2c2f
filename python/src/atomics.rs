//! Counters.

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::counter;

/// A sum that every thread adds to on a cache line of its own.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
#[derive(Default)]
pub(crate) struct Adder {
    sum: counter::Adder,
}

#[pymethods]
impl Adder {
    #[new]
    #[pyo3(signature = (initial = 0))]
    fn new(initial: i64) -> Self {
        let adder = Self::default();
        adder.sum.add(initial);
        adder
    }

    #[pyo3(signature = (initial = 0))]
    fn __init__(slf: &Bound<'_, Self>, initial: i64) {
        let _ = initial;
        crate::sharing::own(slf.as_any());
    }

    /// Adds `n`.
    #[pyo3(signature = (n = 1))]
    fn add(&self, n: i64) {
        self.sum.add(n);
    }

    fn sum(&self) -> i64 {
        self.sum.sum()
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Adder>()
}
