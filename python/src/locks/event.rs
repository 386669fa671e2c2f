//! The Python classes `Event` and `Latch`.

use super::{Limit, describe};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock;

/// A flag that threads wait for, like `threading.Event`. Checking it is one load.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
#[derive(Default)]
pub(crate) struct Event {
    core: Box<lock::Event>,
}

#[pymethods]
impl Event {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::defer_count(slf.as_any());
    }

    /// Returns true if the flag is set.
    fn is_set(&self) -> bool {
        self.core.is_set()
    }

    /// Sets the flag and wakes all waiting threads.
    fn set(&self) {
        self.core.set();
    }

    /// Clears the flag.
    fn clear(&self) {
        self.core.clear();
    }

    /// Waits until the flag is set, at most `timeout` seconds. Returns false on timeout.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = Limit::of_wait(timeout)?;
        match limit {
            _ if self.core.is_set() => Ok(true),
            Limit::Now => Ok(false),
            until => self.core.wait(until.sleep(py)),
        }
    }

    /// The number of waiting threads.
    #[getter]
    fn waiters(&self) -> usize {
        self.core.waiters()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        describe(slf.as_any(), "", if slf.get().is_set() { ": set" } else { ": unset" })
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

/// A latch that opens when its count reaches 0 and stays open (Java's `CountDownLatch`).
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Latch {
    core: Box<lock::Latch>,
}

#[pymethods]
impl Latch {
    #[new]
    #[pyo3(signature = (count = 1))]
    fn new(count: i64) -> PyResult<Self> {
        let Ok(count) = u64::try_from(count) else {
            return Err(PyValueError::new_err("a Latch's count must be >= 0"));
        };
        Ok(Self { core: Box::new(lock::Latch::new(count)) })
    }

    #[pyo3(signature = (count = 1))]
    fn __init__(slf: &Bound<'_, Self>, count: i64) {
        let _ = count;
        crate::sharing::defer_count(slf.as_any());
    }

    /// The remaining count.
    #[getter]
    fn count(&self) -> u64 {
        self.core.count()
    }

    /// Lowers the count by `n`, but not below 0, and returns the remaining count.
    #[pyo3(signature = (n = 1))]
    fn count_down(&self, n: i64) -> PyResult<u64> {
        match u64::try_from(n) {
            Ok(n @ 1..) => Ok(self.core.count_down(n)),
            _ => Err(PyValueError::new_err("n must be one or more")),
        }
    }

    /// Waits until the count is 0, at most `timeout` seconds. Returns false on timeout.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = Limit::of_wait(timeout)?;
        match limit {
            _ if self.core.count() == 0 => Ok(true),
            Limit::Now => Ok(false),
            until => self.core.wait(until.sleep(py)),
        }
    }

    /// The number of waiting threads.
    #[getter]
    fn waiters(&self) -> usize {
        self.core.waiters()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        describe(slf.as_any(), "", &format!(" count={}", slf.get().count()))
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
