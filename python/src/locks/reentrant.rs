//! The Python class `RLock`.

use super::{Limit, Truthy, describe, taken};
use crate::object::fastcall::{self, Exit, NoArgument};
use pyo3::exceptions::{PyOverflowError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::Ordering;
use ungil_sync::lock::{self, ThreadId};

/// A lock like `threading.RLock`: its holder may acquire it again and must release it as often. See
/// [`Lock`](super::plain::Lock).
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct RLock {
    core: Box<lock::Lock>,
}

impl RLock {
    #[inline]
    fn lock(&self, py: Python<'_>, limit: Limit, depth: u32) -> PyResult<bool> {
        let thread = ThreadId::current();
        if self.core.is_held_by(thread) {
            let Some(more) = self.core.depth().load(Ordering::Relaxed).checked_add(depth) else {
                return Err(PyOverflowError::new_err("the RLock was acquired too often"));
            };
            self.core.depth().store(more, Ordering::Relaxed);
            return Ok(true);
        }
        let acquired = self.core.try_acquire(thread)
            || match limit {
                Limit::Now => false,
                until => taken(self.core.acquire(thread, until.sleep(py))?, "RLock")?,
            };
        if acquired {
            self.core.depth().store(depth, Ordering::Relaxed);
        }
        Ok(acquired)
    }

    fn check_owned(&self) -> PyResult<()> {
        if self.core.is_held_by(ThreadId::current()) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("cannot release un-acquired lock"))
    }

    #[inline]
    fn unlock(&self) -> PyResult<()> {
        self.check_owned()?;
        let left = self.core.depth().load(Ordering::Relaxed).saturating_sub(1);
        self.core.depth().store(left, Ordering::Relaxed);
        if left == 0 {
            self.core.release();
        }
        Ok(())
    }
}

#[pymethods]
impl RLock {
    #[new]
    #[pyo3(signature = (fair = false))]
    fn new(fair: bool) -> Self {
        Self { core: Box::new(lock::Lock::new(fair)) }
    }

    #[pyo3(signature = (fair = false))]
    fn __init__(slf: &Bound<'_, Self>, fair: bool) {
        let _ = fair;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Acquires the lock, once more if this thread holds it. Waits at most `timeout` seconds (-1:
    /// forever). Returns false on timeout.
    #[pyo3(signature = (blocking = Truthy(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire(&self, py: Python<'_>, blocking: Truthy, timeout: f64) -> PyResult<bool> {
        self.lock(py, Limit::of_lock(blocking, timeout)?, 1)
    }

    /// Releases the lock once. Raises RuntimeError if this thread does not hold it.
    fn release(&self) -> PyResult<()> {
        self.unlock()
    }

    /// Returns true if the lock is held.
    fn locked(&self) -> bool {
        self.core.is_held()
    }

    /// The `threading.get_ident()` of the holder, or None.
    #[getter]
    fn owner(&self) -> Option<u64> {
        self.core.holder()
    }

    /// How often the holder has acquired the lock.
    #[getter]
    fn depth(&self) -> u32 {
        if self.core.is_held() { self.core.depth().load(Ordering::Relaxed) } else { 0 }
    }

    /// The number of waiting threads.
    #[getter]
    fn waiters(&self) -> usize {
        self.core.waiters()
    }

    /// True if threads get the lock strictly in the order of arrival.
    #[getter]
    fn fair(&self) -> bool {
        self.core.is_fair()
    }

    #[inline]
    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        self.lock(py, Limit::FOREVER, 1)
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.unlock()
    }

    /// For `threading.Condition`: returns true if this thread holds the lock.
    fn _is_owned(&self) -> bool {
        self.core.is_held_by(ThreadId::current())
    }

    /// For `threading.Condition`: releases the lock completely. Returns the depth for
    /// `_acquire_restore`.
    fn _release_save(&self) -> PyResult<u32> {
        self.check_owned()?;
        let depth = self.core.depth().swap(0, Ordering::Relaxed);
        self.core.release();
        Ok(depth)
    }

    /// For `threading.Condition`: acquires the lock with a saved depth.
    fn _acquire_restore(&self, py: Python<'_>, depth: u32) -> PyResult<()> {
        self.lock(py, Limit::FOREVER, depth).map(|_| ())
    }

    /// Returns how often this thread has acquired the lock.
    fn _recursion_count(&self) -> u32 {
        if self._is_owned() { self.depth() } else { 0 }
    }

    /// Resets the lock in the child of a fork.
    fn _at_fork_reinit(&self) {
        self.core.reinit();
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let state = if this.core.is_held() { "locked" } else { "unlocked" };
        let more = format!(" owner={} count={}", this.core.holder().unwrap_or(0), this.depth());
        describe(slf.as_any(), state, &more)
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

struct RLockEnter;

impl NoArgument for RLockEnter {
    type Class = RLock;
    const NAME: &str = "__enter__";

    #[inline]
    fn call<'py>(this: &RLock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.lock(py, Limit::FOREVER, 1).map(|taken| PyBool::new(py, taken).to_owned().into_any())
    }
}

struct RLockRelease;

impl NoArgument for RLockRelease {
    type Class = RLock;
    const NAME: &str = "release";

    #[inline]
    fn call<'py>(this: &RLock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.unlock().map(|()| py.None().into_bound(py))
    }
}

impl Exit for RLock {
    #[inline]
    fn exit(&self) -> PyResult<()> {
        self.unlock()
    }
}

/// Gives fast entry points to the methods called for every critical section.
pub(super) fn install_fast_methods(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fastcall::replace_none::<RLockEnter>(module)?;
    fastcall::replace_none::<RLockRelease>(module)?;
    fastcall::replace_exit::<RLock>(module)
}
