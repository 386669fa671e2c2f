//! `StripedLock`.

use super::plain::Lock;
use super::{Limit, describe};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3::{PyTraverseError, PyVisit};

/// A fixed number of locks, shared out among all keys there may be: `with locks[key]:` excludes whoever uses the same key, and hardly
/// anybody else. Equal keys have the same lock; different keys may have.
///
/// A thread that holds the lock of one key and asks for another's can deadlock, as with any two locks, or with itself if both have
/// the same one: take `all()` instead.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct StripedLock {
    locks: Box<[Py<Lock>]>,
}

impl StripedLock {
    fn index(&self, key: &Bound<'_, PyAny>) -> PyResult<usize> {
        // Fibonacci hashing: small ints, which hash to themselves, are spread over all the locks.
        let spread = (key.hash()? as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Ok(((spread * self.locks.len() as u64) >> 32) as usize)
    }

    fn take_all(&self, py: Python<'_>) -> PyResult<()> {
        for (held, lock) in self.locks.iter().enumerate() {
            if let Err(error) = lock.get().take(py, Limit::FOREVER) {
                self.give_first(held)?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn give_first(&self, n: usize) -> PyResult<()> {
        self.locks[..n].iter().rev().map(|lock| lock.get().give()).fold(Ok(()), Result::and)
    }
}

#[pymethods]
impl StripedLock {
    #[new]
    #[pyo3(signature = (n = 64, *, fair = false))]
    fn new(py: Python<'_>, n: i64, fair: bool) -> PyResult<Self> {
        let n = match usize::try_from(n) {
            Ok(n @ 1..=0xFFFF_FFFF) => n,
            _ => return Err(PyValueError::new_err("the number of locks must be from 1 to 2**32 - 1")),
        };
        let mut locks = Vec::new();
        locks.try_reserve_exact(n).map_err(|_| PyMemoryError::new_err("too many locks for this machine"))?;
        for _ in 0..n {
            locks.push(Py::new(py, Lock::with(fair))?);
        }
        Ok(Self { locks: locks.into_boxed_slice() })
    }

    #[pyo3(signature = (n = 64, *, fair = false))]
    fn __init__(slf: &Bound<'_, Self>, n: i64, fair: bool) {
        let _ = (n, fair);
        crate::sharing::own(slf.as_any());
    }

    /// The lock of a key, whatever its hash is.
    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Lock>> {
        Ok(self.locks[self.index(key)?].bind(key.py()).clone())
    }

    fn __len__(&self) -> usize {
        self.locks.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        pyo3::types::PyTuple::new(py, self.locks.iter().map(|lock| lock.bind(py)))?.try_iter()
    }

    /// A context manager that holds all of the locks, taken in order, so that two that do this do not deadlock.
    fn all(slf: &Bound<'_, Self>) -> PyResult<Py<AllGuard>> {
        Py::new(slf.py(), AllGuard { locks: slf.clone().unbind() })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let held = this.locks.iter().filter(|lock| lock.get().is_held()).count();
        describe(slf.as_any(), "", &format!(" held={held}/{}", this.locks.len()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.locks.iter().try_for_each(|lock| visit.call(lock))
    }
}

/// What `StripedLock.all()` gives.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct AllGuard {
    locks: Py<StripedLock>,
}

#[pymethods]
impl AllGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.locks.get().take_all(py)
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let locks = self.locks.get();
        locks
            .give_first(locks.locks.len())
            .map_err(|_| PyRuntimeError::new_err("one of the locks was released by somebody else"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.locks)
    }
}
