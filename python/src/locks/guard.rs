//! The context managers returned by `RWLock.read()` and `RWLock.write()`.

use super::Limit;
use super::rw::RWLock;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// The context manager returned by `RWLock.read()`.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct ReadGuard {
    lock: Py<RWLock>,
    /// Keeps the reference counts of different threads' guards on different cache lines.
    _padding: [u64; 8],
}

impl ReadGuard {
    pub(super) fn new(lock: Py<RWLock>) -> Self {
        Self { lock, _padding: [0; 8] }
    }
}

#[pymethods]
impl ReadGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.lock.get().lock_read(py, Limit::FOREVER).map(|_| ())
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.lock.get().unlock_read()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)
    }
}

/// The context manager returned by `RWLock.write()`.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct WriteGuard {
    lock: Py<RWLock>,
}

impl WriteGuard {
    pub(super) fn new(lock: Py<RWLock>) -> Self {
        Self { lock }
    }
}

#[pymethods]
impl WriteGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.lock.get().lock_write(py, Limit::FOREVER).map(|_| ())
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.lock.get().unlock_write()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)
    }
}
