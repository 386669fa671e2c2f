//! The Python class `StripedLock`.

use super::plain::Lock;
use super::{Limit, describe};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::OnceLock;

/// A fixed number of locks shared by all possible keys: `with locks[key]:` excludes threads that
/// use the same key, and few others. Equal keys have the same lock; different keys may have the
/// same lock.
///
/// A thread that holds the lock of one key and acquires another's can deadlock, as with any two
/// locks, or with itself if both keys have the same lock: use `all()` instead.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct StripedLock {
    /// Each lock is created on first use, because it takes several hundred bytes.
    locks: Box<[OnceLock<Py<Lock>>]>,
    fair: bool,
}

/// Maximum number of locks. More would hardly reduce collisions, and the collector visits each of
/// them.
const MAX_LOCKS: usize = 1 << 20;

impl StripedLock {
    fn index(&self, key: &Bound<'_, PyAny>) -> PyResult<usize> {
        // Fibonacci hashing: small ints, which hash to themselves, are spread over all the locks.
        let spread = (key.hash()? as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Ok(((spread * self.locks.len() as u64) >> 32) as usize)
    }

    fn lock<'py>(&self, py: Python<'py>, index: usize) -> PyResult<&Bound<'py, Lock>> {
        let slot = &self.locks[index];
        if slot.get().is_none() {
            // Not created inside the cell: creating an object may run the collector, and the cell
            // would block other threads. If two threads create the lock, the first one stays.
            drop(slot.set(Py::new(py, Lock::with_fairness(self.fair))?));
        }
        slot.get()
            .map(|lock| lock.bind(py))
            .ok_or_else(|| PyRuntimeError::new_err("the lock was not created"))
    }

    fn created(&self) -> impl DoubleEndedIterator<Item = &Py<Lock>> {
        self.locks.iter().filter_map(OnceLock::get)
    }

    fn lock_all(&self, py: Python<'_>) -> PyResult<()> {
        for index in 0..self.locks.len() {
            if let Err(error) =
                self.lock(py, index).and_then(|lock| lock.get().lock(py, Limit::FOREVER))
            {
                self.unlock_first(index)?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn unlock_first(&self, n: usize) -> PyResult<()> {
        let created = self.locks[..n].iter().filter_map(OnceLock::get);
        created.rev().map(|lock| lock.get().unlock()).fold(Ok(()), Result::and)
    }
}

#[pymethods]
impl StripedLock {
    #[new]
    #[pyo3(signature = (n = 64, *, fair = false))]
    fn new(n: i64, fair: bool) -> PyResult<Self> {
        match usize::try_from(n) {
            Ok(n @ 1..=MAX_LOCKS) => {
                Ok(Self { locks: (0..n).map(|_| OnceLock::new()).collect(), fair })
            }
            _ => Err(PyValueError::new_err("the number of locks must be from 1 to 2**20")),
        }
    }

    #[pyo3(signature = (n = 64, *, fair = false))]
    fn __init__(slf: &Bound<'_, Self>, n: i64, fair: bool) {
        let _ = (n, fair);
        crate::sharing::defer_count(slf.as_any());
    }

    /// Returns the lock of a key. The key must be hashable.
    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Lock>> {
        self.lock(key.py(), self.index(key)?).cloned()
    }

    fn __len__(&self) -> usize {
        self.locks.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let locks = (0..self.locks.len())
            .map(|index| self.lock(py, index))
            .collect::<PyResult<Vec<_>>>()?;
        pyo3::types::PyTuple::new(py, locks)?.try_iter()
    }

    /// Returns a context manager that holds all locks. It acquires them in order, so two threads
    /// that do this do not deadlock.
    fn all(slf: &Bound<'_, Self>) -> PyResult<Py<AllGuard>> {
        Py::new(slf.py(), AllGuard { locks: slf.clone().unbind() })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let held = this.created().filter(|lock| lock.get().is_held()).count();
        describe(slf.as_any(), "", &format!(" held={held}/{}", this.locks.len()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.created().try_for_each(|lock| visit.call(lock))
    }
}

/// The context manager returned by `StripedLock.all()`.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct AllGuard {
    locks: Py<StripedLock>,
}

#[pymethods]
impl AllGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.locks.get().lock_all(py)
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
            .unlock_first(locks.locks.len())
            .map_err(|_| PyRuntimeError::new_err("one of the locks was released by another thread"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.locks)
    }
}
