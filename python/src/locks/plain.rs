//! The Python class `Lock`.

use super::{Limit, Truthy, describe, taken};
use crate::object::fastcall::{self, Exit, NoArgument};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{self, ThreadId};

/// A lock like `threading.Lock`. Waiting threads queue, each asleep on a cache line of its own.
///
/// By default a thread that arrives just when the lock is released may take it before the waiting
/// threads, but none of them is overtaken for longer than a wake-up takes. With `fair=True` the
/// lock always goes to the thread that has waited longest, at the cost of one wake-up per release.
///
/// Any thread may release it. It can be the lock of a `threading.Condition`.
///
/// In the child of a fork, acquiring a lock that another thread held in the parent raises
/// RuntimeError instead of waiting forever.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Lock {
    core: Box<lock::Lock>,
    /// Keeps the reference counts of other objects off this object's cache line when many locks are
    /// created at once.
    _padding: [u64; 8],
}

impl Lock {
    pub(super) fn with_fairness(fair: bool) -> Self {
        Self { core: Box::new(lock::Lock::new(fair)), _padding: [0; 8] }
    }

    pub(super) fn is_held(&self) -> bool {
        self.core.is_held()
    }

    #[inline]
    pub(super) fn lock(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let thread = ThreadId::current();
        if self.core.try_acquire(thread) {
            return Ok(true);
        }
        match limit {
            Limit::Now => Ok(false),
            until => taken(self.core.acquire(thread, until.sleep(py))?, "Lock"),
        }
    }

    #[inline]
    pub(super) fn unlock(&self) -> PyResult<()> {
        if self.core.release() {
            Ok(())
        } else {
            Err(PyRuntimeError::new_err("release unlocked lock"))
        }
    }
}

#[pymethods]
impl Lock {
    #[new]
    #[pyo3(signature = (fair = false))]
    fn new(fair: bool) -> Self {
        Self::with_fairness(fair)
    }

    #[pyo3(signature = (fair = false))]
    fn __init__(slf: &Bound<'_, Self>, fair: bool) {
        let _ = fair;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Acquires the lock, waiting at most `timeout` seconds (-1: forever). Returns false on
    /// timeout.
    #[pyo3(signature = (blocking = Truthy(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire(&self, py: Python<'_>, blocking: Truthy, timeout: f64) -> PyResult<bool> {
        self.lock(py, Limit::of_lock(blocking, timeout)?)
    }

    /// Releases the lock, whichever thread holds it. Raises RuntimeError if it is not held.
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
        self.lock(py, Limit::FOREVER)
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

    /// Resets the lock in the child of a fork.
    fn _at_fork_reinit(&self) {
        self.core.reinit();
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        describe(slf.as_any(), if slf.get().core.is_held() { "locked" } else { "unlocked" }, "")
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

struct LockEnter;

impl NoArgument for LockEnter {
    type Class = Lock;
    const NAME: &str = "__enter__";

    #[inline]
    fn call<'py>(this: &Lock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.lock(py, Limit::FOREVER).map(|taken| PyBool::new(py, taken).to_owned().into_any())
    }
}

struct LockRelease;

impl NoArgument for LockRelease {
    type Class = Lock;
    const NAME: &str = "release";

    #[inline]
    fn call<'py>(this: &Lock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.unlock().map(|()| py.None().into_bound(py))
    }
}

impl Exit for Lock {
    #[inline]
    fn exit(&self) -> PyResult<()> {
        self.unlock()
    }
}

/// Gives fast entry points to the methods called for every critical section.
pub(super) fn install_fast_methods(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fastcall::replace_none::<LockEnter>(module)?;
    fastcall::replace_none::<LockRelease>(module)?;
    fastcall::replace_exit::<Lock>(module)
}
