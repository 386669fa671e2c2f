//! The Python class `StampedLock`.

use super::{Limit, Truthy, describe, orphaned, taken};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{StampMode, StampedLock as RawStampedLock, ThreadId, stamp_mode};

const CLASS: &str = "StampedLock";

/// A read-write lock with optimistic reads (Java's `StampedLock`). An optimistic read takes no lock
/// and checks afterwards that no thread wrote meanwhile. Acquiring returns a stamp, an int that is
/// needed to release the lock; 0 means that it was not acquired.
///
/// ```python
/// stamp = lock.try_optimistic_read()
/// x, y = point.x, point.y
/// if not lock.validate(stamp):
///     stamp = lock.read_lock()
///     try:
///         x, y = point.x, point.y
///     finally:
///         lock.unlock(stamp)
/// ```
///
/// Not re-entrant. Any thread may release a stamp.
///
/// In the child of a fork, using a lock that was held in the parent raises RuntimeError.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
#[derive(Default)]
pub(crate) struct StampedLock {
    core: Box<RawStampedLock>,
}

impl StampedLock {
    fn check(&self) -> PyResult<()> {
        if self.core.rw().is_corrupted_by_fork() { Err(orphaned(CLASS)) } else { Ok(()) }
    }

    fn unlock_stamp(&self, stamp: u64, mode: Option<StampMode>) -> PyResult<()> {
        let fits = mode.is_none() || stamp_mode(stamp) == mode;
        if fits && self.core.unlock(ThreadId::current(), stamp) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("the StampedLock is not held with this stamp"))
    }
}

#[pymethods]
impl StampedLock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::defer_count(slf.as_any());
    }

    /// Returns a stamp for an optimistic read, to be checked with `validate`; 0 while a thread
    /// writes.
    fn try_optimistic_read(&self) -> u64 {
        self.core.try_optimistic_read()
    }

    /// Returns true if no thread has written since `stamp` was issued, except with that stamp.
    fn validate(&self, stamp: u64) -> bool {
        self.core.validate(stamp)
    }

    /// Acquires the lock for reading, waiting at most `timeout` seconds (-1: forever). Returns the
    /// stamp, or 0.
    #[pyo3(signature = (blocking = Truthy(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn read_lock(&self, py: Python<'_>, blocking: Truthy, timeout: f64) -> PyResult<u64> {
        let limit = Limit::of_lock(blocking, timeout)?;
        self.check()?;
        match (self.core.try_lock_shared(ThreadId::current()), limit) {
            (0, Limit::Until(_)) => self.core.lock_shared(ThreadId::current(), limit.sleep(py)),
            (stamp, _) => Ok(stamp),
        }
    }

    /// Acquires the lock for writing, waiting at most `timeout` seconds (-1: forever). Returns the
    /// stamp, or 0.
    #[pyo3(signature = (blocking = Truthy(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn write_lock(&self, py: Python<'_>, blocking: Truthy, timeout: f64) -> PyResult<u64> {
        let limit = Limit::of_lock(blocking, timeout)?;
        self.check()?;
        match (self.core.try_lock_exclusive(ThreadId::current()), limit) {
            (0, Limit::Until(_)) => {
                let (outcome, stamp) =
                    self.core.lock_exclusive(ThreadId::current(), limit.sleep(py))?;
                taken(outcome, CLASS)?;
                Ok(stamp)
            }
            (stamp, _) => Ok(stamp),
        }
    }

    /// Releases the hold of `stamp`. Raises RuntimeError if it has none.
    fn unlock(&self, stamp: u64) -> PyResult<()> {
        self.unlock_stamp(stamp, None)
    }

    /// Releases a read stamp.
    fn unlock_read(&self, stamp: u64) -> PyResult<()> {
        self.unlock_stamp(stamp, Some(StampMode::Read))
    }

    /// Releases a write stamp.
    fn unlock_write(&self, stamp: u64) -> PyResult<()> {
        self.unlock_stamp(stamp, Some(StampMode::Write))
    }

    /// Converts any stamp into a write stamp if no thread has written since and no other thread
    /// holds the lock; the old stamp is then invalid. Returns 0, and leaves the old stamp valid, if
    /// that would require waiting.
    fn try_convert_to_write(&self, stamp: u64) -> u64 {
        self.core.try_convert_to_write(ThreadId::current(), stamp)
    }

    /// Converts any stamp into a read stamp in the same way. Converting a write stamp always
    /// succeeds, with no other writer in between.
    fn try_convert_to_read(&self, stamp: u64) -> u64 {
        self.core.try_convert_to_read(ThreadId::current(), stamp)
    }

    /// Returns true if a thread holds the lock for writing.
    fn is_write_locked(&self) -> bool {
        self.core.is_write_locked()
    }

    /// The approximate number of readers.
    #[getter]
    fn readers(&self) -> i64 {
        self.core.rw().reader_count().max(0)
    }

    /// The number of threads waiting to read or to write.
    #[getter]
    fn waiters(&self) -> usize {
        let (readers, writers) = self.core.rw().waiters();
        readers + writers
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let state = match (this.is_write_locked(), this.readers()) {
            (true, _) => "written",
            (false, 0) => "unlocked",
            (false, _) => "read",
        };
        describe(slf.as_any(), state, "")
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
