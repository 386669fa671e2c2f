//! The core of `ThreadPool`. Its Python class adds `concurrent.futures.Executor` and the default
//! arguments.

use super::bulk::{Bulk, BulkKind};
use super::fold::Fold;
use super::future::Future;
use super::items::Items;
use super::iterator::MapIterator;
use super::pool_state::PoolState;
use super::{shutdown, sleep, worker};
use crate::imported;
use crate::object::{count, encode};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use ungil_sync::slot::Slot;

/// The handle of a pool. When it is dropped, the pool accepts no more tasks and ends once its work
/// is done.
#[pyclass(frozen, subclass, weakref, module = "ungil", name = "_ThreadPoolCore")]
pub(super) struct Executor {
    /// Set by `__init__`, so that subclasses may have other arguments.
    pool: OnceLock<Arc<PoolState>>,
}

impl Executor {
    fn pool(&self) -> PyResult<&Arc<PoolState>> {
        self.pool
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("ThreadPool.__init__() was not called"))
    }
}

/// Returns the number of processors this process may use: Python's count, limited by the quota of
/// its control group.
fn processor_count(py: Python<'_>) -> PyResult<usize> {
    let known: Option<usize> = imported::os(py).call_method0("process_cpu_count")?.extract()?;
    let allowed = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    Ok(known.unwrap_or(1).min(allowed).max(1))
}

/// Defers the reference count of a function without captured variables, so that calling it from
/// many threads writes nothing they share. A function that captures variables would keep them alive
/// until the collector runs, so that is left to the user (`share`).
fn defer_function(function: &Bound<'_, PyAny>) {
    if function.getattr("__closure__").is_ok_and(|closure| closure.is_none()) {
        count::defer(function);
    }
}

fn grain(value: Option<isize>, name: &str) -> PyResult<Option<usize>> {
    match value {
        None => Ok(None),
        Some(grain) if grain >= 1 => Ok(Some(grain as usize)),
        Some(_) => Err(PyValueError::new_err(format!("{name} must be None or >= 1"))),
    }
}

#[pymethods]
impl Executor {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { pool: OnceLock::new() }
    }

    #[pyo3(signature = (max_workers = None, thread_name_prefix = String::new(), initializer = None, initargs = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        max_workers: Option<isize>,
        thread_name_prefix: String,
        initializer: Option<Bound<'_, PyAny>>,
        initargs: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let wanted = match max_workers {
            None => processor_count(py)?,
            Some(wanted) if wanted > 0 => (wanted as usize).min(1 << 20),
            Some(_) => return Err(PyValueError::new_err("max_workers must be greater than 0")),
        };
        if initializer.as_ref().is_some_and(|initializer| !initializer.is_callable()) {
            return Err(PyTypeError::new_err("initializer must be a callable"));
        }
        let arguments = match initargs {
            Some(arguments) => {
                py.get_type::<PyTuple>().call1((arguments,))?.cast_into::<PyTuple>()?
            }
            None => PyTuple::empty(py),
        };
        let initializer = initializer.map(|initializer| (initializer.unbind(), arguments.unbind()));
        let pool = PoolState::new(wanted, thread_name_prefix, initializer, worker::work);
        shutdown::register(&pool);
        slf.get()
            .pool
            .set(pool)
            .map_err(|_| PyRuntimeError::new_err("ThreadPool.__init__() was called twice"))?;
        // Merged, not deferred as other classes are: the threads must end when the last reference
        // goes away, not when the collector runs.
        count::merge_count_of(slf.as_any());
        Ok(())
    }

    /// Schedules `fn(*args, **kwargs)` on a worker and returns its `Future`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (r#fn, /, *args, **kwargs))]
    fn submit<'py>(
        &self,
        r#fn: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Future>> {
        let pool = self.pool()?;
        worker::submit(pool, Future::for_call(pool.id, r#fn, args, kwargs)?)
    }

    fn _map<'py>(
        &self,
        r#fn: &Bound<'py, PyAny>,
        iterables: &Bound<'py, PyTuple>,
        timeout: Option<f64>,
        chunksize: Option<isize>,
    ) -> PyResult<Bound<'py, MapIterator>> {
        let py = r#fn.py();
        let pool = self.pool()?;
        let grain = grain(chunksize, "chunksize")?;
        let deadline = sleep::deadline(timeout)?;
        if let Some(error) = pool.submit_error(py) {
            return Err(error);
        }
        defer_function(r#fn);
        let items = Items::collect(py, iterables)?;
        let mut slots = Vec::new();
        slots
            .try_reserve_exact(items.len())
            .map_err(|_| PyMemoryError::new_err("too many items for map"))?;
        slots.resize_with(items.len(), Slot::default);
        let len = items.len();
        let bulk = Bulk::new(r#fn, items, BulkKind::Collect(slots.into()), grain);
        pool.invite(py, &bulk, pool.wanted.min(len))?;
        Bound::new(py, MapIterator::new(bulk, Arc::clone(pool), deadline))
    }

    fn _for_each(
        &self,
        r#fn: &Bound<'_, PyAny>,
        iterables: &Bound<'_, PyTuple>,
        grain: Option<isize>,
    ) -> PyResult<()> {
        let pool = self.pool()?;
        let grain = self::grain(grain, "grain")?;
        defer_function(r#fn);
        let items = Items::collect(r#fn.py(), iterables)?;
        Bulk::new(r#fn, items, BulkKind::Each, grain).finish(r#fn.py(), pool)
    }

    #[expect(clippy::too_many_arguments, reason = "called from one place, by position")]
    fn _reduce<'py>(
        &self,
        r#fn: &Bound<'py, PyAny>,
        iterable: &Bound<'py, PyAny>,
        initial: &Bound<'py, PyAny>,
        is_factory: bool,
        combine: Option<&Bound<'py, PyAny>>,
        ordered: bool,
        grain: Option<isize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = r#fn.py();
        let pool = self.pool()?;
        let grain = self::grain(grain, "grain")?;
        defer_function(r#fn);
        let items = Items::collect(py, &PyTuple::new(py, [iterable])?)?;
        let initial = Slot::new(encode(initial));
        let fold = Fold { initial, is_factory, ordered, parts: Mutex::default() };
        let bulk = Bulk::new(r#fn, items, BulkKind::Fold(fold), grain);
        bulk.finish(py, pool)?;
        let BulkKind::Fold(fold) = &bulk.kind else { unreachable!("constructed as a fold above") };
        let mut parts =
            std::mem::take(&mut *fold.parts.lock().unwrap_or_else(PoisonError::into_inner));
        parts.sort_by_key(|part| part.0);
        let combine = combine.unwrap_or(r#fn);
        let mut parts = parts.into_iter().map(|part| part.1.into_bound(py));
        let Some(first) = parts.next() else { return fold.initial(py) };
        parts.try_fold(first, |so_far, part| combine.call1((so_far, part)))
    }

    /// Stops accepting tasks. With `wait`, returns once all submitted tasks have run and every
    /// worker has ended; with `cancel_futures`, cancels tasks that have not begun.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (wait = true, *, cancel_futures = false))]
    fn shutdown(&self, py: Python<'_>, wait: bool, cancel_futures: bool) -> PyResult<()> {
        let pool = self.pool()?;
        pool.close();
        if cancel_futures {
            pool.cancel_all(py)?;
        }
        if wait { shutdown::join(py, pool) } else { Ok(()) }
    }

    #[getter]
    fn _max_workers(&self) -> PyResult<usize> {
        Ok(self.pool()?.wanted)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().name()?.to_string();
        let Some(pool) = slf.get().pool.get() else {
            return Ok(format!("<{name}: not initialized>"));
        };
        let (workers, asleep) = pool.worker_counts();
        let shut = if pool.is_closed() { ", shut down" } else { "" };
        Ok(format!(
            "<{name} {:?}: {workers} of {} workers, {asleep} idle{shut}>",
            pool.prefix(),
            pool.wanted
        ))
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Workers own the queued tasks too, and run them whatever happens to the handle.
        Ok(())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.get() {
            pool.close();
        }
    }
}
