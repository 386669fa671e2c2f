//! `StampedLock`.

use super::{Limit, Truth, describe, orphaned, taken};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{StampMode, StampedLock as RawStampedLock, ThreadId, stamp_mode};

const CLASS: &str = "StampedLock";

/// A read-write lock with a third way to read: look without taking anything, and ask afterwards
/// whether a writer came by (Java's `StampedLock`). What it gives is a stamp, an int, which is
/// needed to let go; 0 means that it could not be had.
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
/// Not re-entrant. A stamp may be let go of by another thread than the one that took it.
///
/// In the child of a fork a lock that was held in the parent, other than by nobody, raises
/// RuntimeError.
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

    fn let_go(&self, stamp: u64, only: Option<StampMode>) -> PyResult<()> {
        let fits = only.is_none() || stamp_mode(stamp) == only;
        if fits && self.core.unlock(ThreadId::current(), stamp) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("the StampedLock is not held by this stamp"))
    }
}

#[pymethods]
impl StampedLock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::own(slf.as_any());
    }

    /// A stamp to look by, for `validate`; 0 while a writer is in.
    fn try_optimistic_read(&self) -> u64 {
        self.core.try_optimistic_read()
    }

    /// Whether nobody has written since `stamp` was given, other than by that stamp.
    fn validate(&self, stamp: u64) -> bool {
        self.core.validate(stamp)
    }

    /// Takes the lock for reading, waiting at most `timeout` seconds (-1: as long as it takes). The
    /// stamp, or 0.
    #[pyo3(signature = (blocking = Truth(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn read_lock(&self, py: Python<'_>, blocking: Truth, timeout: f64) -> PyResult<u64> {
        let limit = Limit::of_lock(blocking, timeout)?;
        self.check()?;
        match (self.core.try_lock_shared(ThreadId::current()), limit) {
            (0, Limit::Until(_)) => self.core.lock_shared(ThreadId::current(), limit.sleep(py)),
            (stamp, _) => Ok(stamp),
        }
    }

    /// Takes the lock for writing, waiting at most `timeout` seconds (-1: as long as it takes). The
    /// stamp, or 0.
    #[pyo3(signature = (blocking = Truth(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn write_lock(&self, py: Python<'_>, blocking: Truth, timeout: f64) -> PyResult<u64> {
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

    /// Lets go of what `stamp` holds. RuntimeError if it holds nothing.
    fn unlock(&self, stamp: u64) -> PyResult<()> {
        self.let_go(stamp, None)
    }

    /// Lets go of a stamp for reading.
    fn unlock_read(&self, stamp: u64) -> PyResult<()> {
        self.let_go(stamp, Some(StampMode::Read))
    }

    /// Lets go of a stamp for writing.
    fn unlock_write(&self, stamp: u64) -> PyResult<()> {
        self.let_go(stamp, Some(StampMode::Write))
    }

    /// Makes any stamp one for writing, if nobody has written since and nobody else is in; the old
    /// one is used up then. 0, and the old one is as good as before, if that would need waiting.
    fn try_convert_to_write(&self, stamp: u64) -> u64 {
        self.core.try_convert_to_write(ThreadId::current(), stamp)
    }

    /// Makes any stamp one for reading, likewise. From writing to reading always succeeds, with
    /// nobody writing in between.
    fn try_convert_to_read(&self, stamp: u64) -> u64 {
        self.core.try_convert_to_read(ThreadId::current(), stamp)
    }

    /// Whether a writer is in.
    fn is_write_locked(&self) -> bool {
        self.core.is_write_locked()
    }

    /// About how many readers are in.
    #[getter]
    fn readers(&self) -> i64 {
        self.core.rw().reader_count().max(0)
    }

    /// How many threads wait, to read or to write.
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
