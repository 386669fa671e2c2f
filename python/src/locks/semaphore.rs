//! The Python class `Semaphore`.

use super::{Limit, Truthy, describe};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{self, ThreadId};

/// A counting semaphore like `threading.Semaphore`, which can also acquire several permits at once.
/// Waiting threads are served in FIFO order, so a request for many permits is not starved by
/// requests for one. With `bounded=True`, releasing more permits than the initial value raises
/// ValueError, as in `threading.BoundedSemaphore`.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Semaphore {
    core: Box<lock::Semaphore>,
}

impl Semaphore {
    #[inline]
    fn acquire_permits(&self, py: Python<'_>, n: u64, limit: Limit) -> PyResult<bool> {
        if self.core.try_acquire(n) {
            return Ok(true);
        }
        match limit {
            Limit::Now => Ok(false),
            until => self.core.acquire(ThreadId::current(), n, until.sleep(py)),
        }
    }

    fn release_permits(&self, n: u64) -> PyResult<()> {
        if self.core.release(n) {
            return Ok(());
        }
        Err(PyValueError::new_err("Semaphore released too many times"))
    }
}

/// Reads a number of permits, at least one.
fn permits(n: i64) -> PyResult<u64> {
    match u64::try_from(n) {
        Ok(n @ 1..) => Ok(n),
        _ => Err(PyValueError::new_err("n must be one or more")),
    }
}

#[pymethods]
impl Semaphore {
    #[new]
    #[pyo3(signature = (value = 1, *, bounded = false))]
    fn new(value: i64, bounded: bool) -> PyResult<Self> {
        let value = u64::try_from(value)
            .map_err(|_| PyValueError::new_err("semaphore initial value must be >= 0"))?;
        if value > lock::Semaphore::MAX {
            return Err(pyo3::exceptions::PyOverflowError::new_err(
                "semaphore initial value is too large",
            ));
        }
        Ok(Self { core: Box::new(lock::Semaphore::new(value, bounded.then_some(value))) })
    }

    #[pyo3(signature = (value = 1, *, bounded = false))]
    fn __init__(slf: &Bound<'_, Self>, value: i64, bounded: bool) {
        let _ = (value, bounded);
        crate::sharing::defer_count(slf.as_any());
    }

    /// Acquires `n` permits at once, waiting at most `timeout` seconds (None: forever). Returns
    /// false on timeout; then none is taken.
    #[pyo3(
        signature = (blocking = Truthy(true), timeout = None, *, n = 1),
        text_signature = "($self, blocking=True, timeout=None, *, n=1)"
    )]
    fn acquire(
        &self,
        py: Python<'_>,
        blocking: Truthy,
        timeout: Option<f64>,
        n: i64,
    ) -> PyResult<bool> {
        let n = permits(n)?;
        if n > self.core.bound() {
            return Err(PyValueError::new_err("n is more than the semaphore can ever have"));
        }
        if timeout.is_some() && !blocking.0 {
            return Err(PyValueError::new_err("can't specify timeout for non-blocking acquire"));
        }
        self.acquire_permits(py, n, if blocking.0 { Limit::of_wait(timeout)? } else { Limit::Now })
    }

    /// Releases `n` permits.
    #[pyo3(signature = (n = 1))]
    fn release(&self, n: i64) -> PyResult<()> {
        self.release_permits(permits(n)?)
    }

    /// The number of available permits.
    #[getter]
    fn value(&self) -> u64 {
        self.core.permits()
    }

    /// The number of waiting threads.
    #[getter]
    fn waiters(&self) -> usize {
        self.core.waiters()
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        self.acquire_permits(py, 1, Limit::FOREVER)
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.release_permits(1)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        describe(slf.as_any(), "", &format!(" value={}", slf.get().value()))
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
