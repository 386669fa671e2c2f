//! `RLock`.

use super::{Limit, Truth, describe, taken};
use crate::object::lean::{self, Exit, NoArgument};
use pyo3::exceptions::{PyOverflowError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::Ordering;
use ungil_sync::lock::{self, ThreadId};

/// A lock like `threading.RLock`: its holder may take it again, and gives it back as often. See
/// [`Lock`](super::plain::Lock).
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct RLock {
    core: Box<lock::Lock>,
}

impl RLock {
    #[inline]
    fn take(&self, py: Python<'_>, limit: Limit, depth: u32) -> PyResult<bool> {
        let me = ThreadId::current();
        if self.core.is_held_by(me) {
            let Some(more) = self.core.depth().load(Ordering::Relaxed).checked_add(depth) else {
                return Err(PyOverflowError::new_err("the RLock was acquired too often"));
            };
            self.core.depth().store(more, Ordering::Relaxed);
            return Ok(true);
        }
        let got = self.core.try_acquire(me)
            || match limit {
                Limit::Now => false,
                until => taken(self.core.acquire(me, until.sleep(py))?, "RLock")?,
            };
        if got {
            self.core.depth().store(depth, Ordering::Relaxed);
        }
        Ok(got)
    }

    fn check_owned(&self) -> PyResult<()> {
        if self.core.is_held_by(ThreadId::current()) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("cannot release un-acquired lock"))
    }

    #[inline]
    fn give(&self) -> PyResult<()> {
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
        crate::sharing::own(slf.as_any());
    }

    /// Takes the lock, once more if this thread holds it, or waits for it at most `timeout` seconds
    /// (-1: as long as it takes). False if it could not be had.
    #[pyo3(signature = (blocking = Truth(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire(&self, py: Python<'_>, blocking: Truth, timeout: f64) -> PyResult<bool> {
        self.take(py, Limit::of_lock(blocking, timeout)?, 1)
    }

    /// Gives the lock back once. RuntimeError if this thread does not hold it.
    fn release(&self) -> PyResult<()> {
        self.give()
    }

    /// Whether somebody holds it.
    fn locked(&self) -> bool {
        self.core.is_held()
    }

    /// The thread that holds it (`threading.get_ident()`), or None.
    #[getter]
    fn owner(&self) -> Option<u64> {
        self.core.holder()
    }

    /// How often its holder holds it.
    #[getter]
    fn depth(&self) -> u32 {
        if self.core.is_held() { self.core.depth().load(Ordering::Relaxed) } else { 0 }
    }

    /// How many threads wait for it.
    #[getter]
    fn waiters(&self) -> usize {
        self.core.waiters()
    }

    /// Whether waiters get it strictly in the order they came.
    #[getter]
    fn fair(&self) -> bool {
        self.core.is_fair()
    }

    #[inline]
    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        self.take(py, Limit::FOREVER, 1)
    }

    #[pyo3(signature = (_kind = None, _error = None, _trace = None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.give()
    }

    /// For `threading.Condition`: whether this thread holds it.
    fn _is_owned(&self) -> bool {
        self.core.is_held_by(ThreadId::current())
    }

    /// For `threading.Condition`: gives it back altogether; the result is for `_acquire_restore`.
    fn _release_save(&self) -> PyResult<u32> {
        self.check_owned()?;
        let depth = self.core.depth().swap(0, Ordering::Relaxed);
        self.core.release();
        Ok(depth)
    }

    /// For `threading.Condition`: takes it as often as it was held.
    fn _acquire_restore(&self, py: Python<'_>, depth: u32) -> PyResult<()> {
        self.take(py, Limit::FOREVER, depth).map(|_| ())
    }

    /// How often this thread holds it.
    fn _recursion_count(&self) -> u32 {
        if self._is_owned() { self.depth() } else { 0 }
    }

    /// Makes it as good as new in the child of a fork.
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

struct Enter;

impl NoArgument for Enter {
    type Class = RLock;
    const NAME: &str = "__enter__";

    #[inline]
    fn call<'py>(this: &RLock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.take(py, Limit::FOREVER, 1).map(|taken| PyBool::new(py, taken).to_owned().into_any())
    }
}

struct Release;

impl NoArgument for Release {
    type Class = RLock;
    const NAME: &str = "release";

    #[inline]
    fn call<'py>(this: &RLock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.give().map(|()| py.None().into_bound(py))
    }
}

impl Exit for RLock {
    #[inline]
    fn exit(&self) -> PyResult<()> {
        self.give()
    }
}

/// The methods that every section calls, by the shortest way.
pub(super) fn speed_up(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lean::replace_none::<Enter>(module)?;
    lean::replace_none::<Release>(module)?;
    lean::exit::<RLock>(module)
}
