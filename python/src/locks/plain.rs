//! `Lock`.

use super::{Limit, Truth, describe, taken};
use crate::object::lean::{self, Exit, NoArgument};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{self, ThreadId};

/// A lock like `threading.Lock`, whose waiters queue, each asleep on a cache line of its own.
///
/// By default a thread that comes just when the lock is given back may take it before those who
/// wait; nobody is overtaken for longer than waking up takes. With `fair=True` the lock goes to
/// whoever has waited longest, always, at the price of waking a thread each time.
///
/// Any thread may release it. It works as the lock of a `threading.Condition`.
///
/// In the child of a fork, a lock that another thread held in the parent raises RuntimeError
/// instead of waiting for ever.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Lock {
    core: Box<lock::Lock>,
    /// Keeps the neighbours' counts off this object's line, where many small locks are made at
    /// once.
    _apart: [u64; 8],
}

impl Lock {
    pub(super) fn with(fair: bool) -> Self {
        Self { core: Box::new(lock::Lock::new(fair)), _apart: [0; 8] }
    }

    pub(super) fn is_held(&self) -> bool {
        self.core.is_held()
    }

    #[inline]
    pub(super) fn take(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let me = ThreadId::current();
        if self.core.try_acquire(me) {
            return Ok(true);
        }
        match limit {
            Limit::Now => Ok(false),
            until => taken(self.core.acquire(me, until.sleep(py))?, "Lock"),
        }
    }

    #[inline]
    pub(super) fn give(&self) -> PyResult<()> {
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
        Self::with(fair)
    }

    #[pyo3(signature = (fair = false))]
    fn __init__(slf: &Bound<'_, Self>, fair: bool) {
        let _ = fair;
        crate::sharing::own(slf.as_any());
    }

    /// Takes the lock, waiting for it at most `timeout` seconds (-1: as long as it takes). False if
    /// it could not be had.
    #[pyo3(signature = (blocking = Truth(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire(&self, py: Python<'_>, blocking: Truth, timeout: f64) -> PyResult<bool> {
        self.take(py, Limit::of_lock(blocking, timeout)?)
    }

    /// Gives the lock back, whichever thread took it. RuntimeError if nobody holds it.
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
        self.take(py, Limit::FOREVER)
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

    /// Makes it as good as new in the child of a fork.
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

struct Enter;

impl NoArgument for Enter {
    type Class = Lock;
    const NAME: &str = "__enter__";

    #[inline]
    fn call<'py>(this: &Lock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.take(py, Limit::FOREVER).map(|taken| PyBool::new(py, taken).to_owned().into_any())
    }
}

struct Release;

impl NoArgument for Release {
    type Class = Lock;
    const NAME: &str = "release";

    #[inline]
    fn call<'py>(this: &Lock, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.give().map(|()| py.None().into_bound(py))
    }
}

impl Exit for Lock {
    #[inline]
    fn exit(&self) -> PyResult<()> {
        self.give()
    }
}

/// The methods that every section calls, by the shortest way.
pub(super) fn speed_up(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lean::replace_none::<Enter>(module)?;
    lean::replace_none::<Release>(module)?;
    lean::exit::<Lock>(module)
}
