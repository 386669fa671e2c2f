//! `ThreadPool`, below its Python class, which adds `concurrent.futures.Executor` and the
//! arguments' defaults.

use super::bulk::{Bulk, Kind};
use super::fold::Fold;
use super::future::Future;
use super::items::Items;
use super::iterator::MapIterator;
use super::team::Team;
use super::{shutdown, sleep, worker};
use crate::imported;
use crate::object::{count, encode};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use ungil_sync::slot::Slot;

/// The handle of a pool. When it goes away the pool takes nothing more and ends when its work is
/// done.
#[pyclass(frozen, subclass, weakref, module = "ungil", name = "_ThreadPoolCore")]
pub(super) struct Executor {
    /// Set by `__init__`, so that subclasses may have arguments of their own.
    team: OnceLock<Arc<Team>>,
}

impl Executor {
    fn team(&self) -> PyResult<&Arc<Team>> {
        self.team
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("ThreadPool.__init__() was not called"))
    }
}

/// As many workers as this process may use processors: what Python thinks, and no more than the
/// quota of its control group.
fn processors(py: Python<'_>) -> PyResult<usize> {
    let known: Option<usize> = imported::os(py).call_method0("process_cpu_count")?.extract()?;
    let allowed = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    Ok(known.unwrap_or(1).min(allowed).max(1))
}

/// A function that captures nothing is counted by deference, so that calling it from many threads
/// writes nothing they share. One that captures would keep what it captured until the collector
/// comes; that is the user's to decide (`share`).
fn defer(function: &Bound<'_, PyAny>) {
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
        Self { team: OnceLock::new() }
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
            None => processors(py)?,
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
        let team = Team::new(wanted, thread_name_prefix, initializer, worker::work);
        shutdown::note(&team);
        slf.get()
            .team
            .set(team)
            .map_err(|_| PyRuntimeError::new_err("ThreadPool.__init__() was called twice"))?;
        // Not deferred, as other classes are: the threads must end when the last reference goes,
        // not when the collector comes.
        count::give(slf.as_any());
        Ok(())
    }

    /// Has a worker call `fn(*args, **kwargs)` and returns its `Future`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (r#fn, /, *args, **kwargs))]
    fn submit<'py>(
        &self,
        r#fn: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Future>> {
        let team = self.team()?;
        worker::submit(team, Future::make(team.id, r#fn, args, kwargs)?)
    }

    fn _map<'py>(
        &self,
        r#fn: &Bound<'py, PyAny>,
        iterables: &Bound<'py, PyTuple>,
        timeout: Option<f64>,
        chunksize: Option<isize>,
    ) -> PyResult<Bound<'py, MapIterator>> {
        let py = r#fn.py();
        let team = self.team()?;
        let grain = grain(chunksize, "chunksize")?;
        let deadline = sleep::deadline(timeout)?;
        if let Some(refusal) = team.refusal(py) {
            return Err(refusal);
        }
        defer(r#fn);
        let items = Items::collect(py, iterables)?;
        let mut places = Vec::new();
        places
            .try_reserve_exact(items.len())
            .map_err(|_| PyMemoryError::new_err("too many items for map"))?;
        places.resize_with(items.len(), Slot::default);
        let len = items.len();
        let bulk = Bulk::new(r#fn, items, Kind::Collect(places.into()), grain);
        team.invite(py, &bulk, team.wanted.min(len))?;
        Bound::new(py, MapIterator::new(bulk, Arc::clone(team), deadline))
    }

    fn _for_each(
        &self,
        r#fn: &Bound<'_, PyAny>,
        iterables: &Bound<'_, PyTuple>,
        grain: Option<isize>,
    ) -> PyResult<()> {
        let team = self.team()?;
        let grain = self::grain(grain, "grain")?;
        defer(r#fn);
        let items = Items::collect(r#fn.py(), iterables)?;
        Bulk::new(r#fn, items, Kind::Each, grain).finish(r#fn.py(), team)
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
        let team = self.team()?;
        let grain = self::grain(grain, "grain")?;
        defer(r#fn);
        let items = Items::collect(py, &PyTuple::new(py, [iterable])?)?;
        let initial = Slot::new(encode(initial));
        let fold = Fold { initial, is_factory, ordered, parts: Mutex::default() };
        let bulk = Bulk::new(r#fn, items, Kind::Fold(fold), grain);
        bulk.finish(py, team)?;
        let Kind::Fold(fold) = &bulk.kind else { unreachable!("made so above") };
        let mut parts =
            std::mem::take(&mut *fold.parts.lock().unwrap_or_else(PoisonError::into_inner));
        parts.sort_by_key(|part| part.0);
        let combine = combine.unwrap_or(r#fn);
        let mut parts = parts.into_iter().map(|part| part.1.into_bound(py));
        let Some(first) = parts.next() else { return fold.begin(py) };
        parts.try_fold(first, |so_far, part| combine.call1((so_far, part)))
    }

    /// Takes nothing more. With `wait`, returns when all that was submitted has been run and every
    /// worker has gone; with `cancel_futures`, what has not begun is cancelled.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (wait = true, *, cancel_futures = false))]
    fn shutdown(&self, py: Python<'_>, wait: bool, cancel_futures: bool) -> PyResult<()> {
        let team = self.team()?;
        team.close();
        if cancel_futures {
            team.cancel_all(py)?;
        }
        if wait { shutdown::join(py, team) } else { Ok(()) }
    }

    #[getter]
    fn _max_workers(&self) -> PyResult<usize> {
        Ok(self.team()?.wanted)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().name()?.to_string();
        let Some(team) = slf.get().team.get() else {
            return Ok(format!("<{name}: not initialized>"));
        };
        let (workers, asleep) = team.count();
        let shut = if team.is_closed() { ", shut down" } else { "" };
        Ok(format!(
            "<{name} {:?}: {workers} of {} workers, {asleep} idle{shut}>",
            team.prefix(),
            team.wanted
        ))
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // What is queued is the workers' too, and they run it however the handle fares.
        Ok(())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(team) = self.team.get() {
            team.close();
        }
    }
}
