//! `Semaphore`.

use super::{Limit, Truth, describe};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{self, ThreadId};

/// Permits to take and give back, like `threading.Semaphore`, several at a time if need be. Who
/// waits gets them in the order of coming, so that asking for many is not starved by those who ask
/// for one. With `bounded=True` giving back more than were there at the beginning is a ValueError,
/// as in `threading.BoundedSemaphore`.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Semaphore {
    core: Box<lock::Semaphore>,
}

impl Semaphore {
    #[inline]
    fn take(&self, py: Python<'_>, n: u64, limit: Limit) -> PyResult<bool> {
        if self.core.try_acquire(n) {
            return Ok(true);
        }
        match limit {
            Limit::Now => Ok(false),
            until => self.core.acquire(ThreadId::current(), n, until.sleep(py)),
        }
    }

    fn give(&self, n: u64) -> PyResult<()> {
        if self.core.release(n) {
            return Ok(());
        }
        Err(PyValueError::new_err("Semaphore released too many times"))
    }
}

/// A number of permits, one or more.
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
        crate::sharing::own(slf.as_any());
    }

    /// Takes `n` permits at once, waiting for them at most `timeout` seconds (None: as long as it
    /// takes). False if they could not be had; then none is taken.
    #[pyo3(
        signature = (blocking = Truth(true), timeout = None, *, n = 1),
        text_signature = "($self, blocking=True, timeout=None, *, n=1)"
    )]
    fn acquire(
        &self,
        py: Python<'_>,
        blocking: Truth,
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
        self.take(py, n, if blocking.0 { Limit::of_wait(timeout)? } else { Limit::Now })
    }

    /// Gives `n` permits back.
    #[pyo3(signature = (n = 1))]
    fn release(&self, n: i64) -> PyResult<()> {
        self.give(permits(n)?)
    }

    /// Permits that are there now.
    #[getter]
    fn value(&self) -> u64 {
        self.core.permits()
    }

    /// How many threads wait.
    #[getter]
    fn waiters(&self) -> usize {
        self.core.waiters()
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        self.take(py, 1, Limit::FOREVER)
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.give(1)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        describe(slf.as_any(), "", &format!(" value={}", slf.get().value()))
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
