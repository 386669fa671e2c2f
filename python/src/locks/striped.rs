//! `StripedLock`.

use super::plain::Lock;
use super::{Limit, describe};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::OnceLock;

/// A fixed number of locks, shared out among all keys there may be: `with locks[key]:` excludes
/// whoever uses the same key, and hardly anybody else. Equal keys have the same lock; different
/// keys may have.
///
/// A thread that holds the lock of one key and asks for another's can deadlock, as with any two
/// locks, or with itself if both have the same one: take `all()` instead.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct StripedLock {
    /// Each is made when its first key comes: a lock takes some hundred bytes.
    locks: Box<[OnceLock<Py<Lock>>]>,
    fair: bool,
}

/// The most locks there may be. More would not keep keys apart any better, and the collector goes
/// through all of them.
const MAX_LOCKS: usize = 1 << 20;

impl StripedLock {
    fn index(&self, key: &Bound<'_, PyAny>) -> PyResult<usize> {
        // Fibonacci hashing: small ints, which hash to themselves, are spread over all the locks.
        let spread = (key.hash()? as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Ok(((spread * self.locks.len() as u64) >> 32) as usize)
    }

    fn lock<'py>(&self, py: Python<'py>, index: usize) -> PyResult<&Bound<'py, Lock>> {
        let place = &self.locks[index];
        if place.get().is_none() {
            // Not made inside the cell: making an object may run the collector, and the cell would
            // keep other threads waiting. Whoever comes second takes the first one's.
            drop(place.set(Py::new(py, Lock::with(self.fair))?));
        }
        place
            .get()
            .map(|lock| lock.bind(py))
            .ok_or_else(|| PyRuntimeError::new_err("the lock was not made"))
    }

    fn made(&self) -> impl DoubleEndedIterator<Item = &Py<Lock>> {
        self.locks.iter().filter_map(OnceLock::get)
    }

    fn take_all(&self, py: Python<'_>) -> PyResult<()> {
        for index in 0..self.locks.len() {
            if let Err(error) =
                self.lock(py, index).and_then(|lock| lock.get().take(py, Limit::FOREVER))
            {
                self.give_first(index)?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn give_first(&self, n: usize) -> PyResult<()> {
        let made = self.locks[..n].iter().filter_map(OnceLock::get);
        made.rev().map(|lock| lock.get().give()).fold(Ok(()), Result::and)
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
        crate::sharing::own(slf.as_any());
    }

    /// The lock of a key, whatever its hash is.
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

    /// A context manager that holds all of the locks, taken in order, so that two that do this do
    /// not deadlock.
    fn all(slf: &Bound<'_, Self>) -> PyResult<Py<AllGuard>> {
        Py::new(slf.py(), AllGuard { locks: slf.clone().unbind() })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let held = this.made().filter(|lock| lock.get().is_held()).count();
        describe(slf.as_any(), "", &format!(" held={held}/{}", this.locks.len()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.made().try_for_each(|lock| visit.call(lock))
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
