//! What `RWLock.read()` and `RWLock.write()` give to `with`.

use super::Limit;
use super::rw::RWLock;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// What `RWLock.read()` gives.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct ReadGuard {
    lock: Py<RWLock>,
    /// Keeps the guards of different threads off one another's lines.
    _apart: [u64; 8],
}

impl ReadGuard {
    pub(super) fn of(lock: Py<RWLock>) -> Self {
        Self { lock, _apart: [0; 8] }
    }
}

#[pymethods]
impl ReadGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.lock.get().read_in(py, Limit::FOREVER).map(|_| ())
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.lock.get().read_out()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)
    }
}

/// What `RWLock.write()` gives.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct WriteGuard {
    lock: Py<RWLock>,
}

impl WriteGuard {
    pub(super) fn of(lock: Py<RWLock>) -> Self {
        Self { lock }
    }
}

#[pymethods]
impl WriteGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.lock.get().write_in(py, Limit::FOREVER).map(|_| ())
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.lock.get().write_out()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)
    }
}
