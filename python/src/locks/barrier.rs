//! The Python class `Barrier`.

use super::{Limit, describe};
use crate::imported;
use crate::object::{Object, encode, word};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{self, BarrierArrival, BrokenBarrier, ThreadId};
use ungil_sync::slot::Slot;

/// A point that `parties` threads pass together, repeatedly, like `threading.Barrier`. When all
/// have arrived, one of them calls `action`, if given, before they go on. A thread that gives up
/// waiting breaks the barrier: all threads get `threading.BrokenBarrierError` until `reset()`.
///
/// Thread safety: atomic, every method. `action` is called by one thread, with no lock held.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Barrier {
    core: Box<lock::Barrier>,
    action: Slot<Object>,
    timeout: Option<f64>,
}

impl Barrier {
    fn run_action(&self, py: Python<'_>) -> PyResult<()> {
        match word::load(py, &self.action)? {
            Some(action) => action.call0().map(drop),
            None => Ok(()),
        }
    }
}

#[cold]
fn broken(py: Python<'_>) -> PyErr {
    match imported::broken_barrier(py).call0() {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

#[pymethods]
impl Barrier {
    #[new]
    #[pyo3(signature = (parties, action = None, timeout = None))]
    fn new(
        parties: i64,
        action: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let Ok(parties @ 1..) = usize::try_from(parties) else {
            return Err(PyValueError::new_err("parties must be >= 1"));
        };
        Limit::of_wait(timeout)?;
        let action = Slot::new(action.map(encode));
        Ok(Self { core: Box::new(lock::Barrier::new(parties)), action, timeout })
    }

    #[pyo3(signature = (parties, action = None, timeout = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        parties: i64,
        action: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) {
        let _ = (parties, action, timeout);
        crate::sharing::defer_count(slf.as_any());
    }

    /// Waits for the other parties, at most `timeout` seconds (None: the barrier's default), and
    /// returns a number from 0 to `parties - 1`, different for each thread. Raises
    /// BrokenBarrierError if a thread gave up or the barrier was reset or aborted.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<usize> {
        let limit = Limit::of_wait(timeout.or(self.timeout))?;
        let patient = Limit::FOREVER.sleep(py);
        match self.core.arrive(ThreadId::current(), &patient)? {
            Err(BrokenBarrier) | Ok(None) => Err(broken(py)),
            Ok(Some(BarrierArrival::Early(place))) => {
                match self.core.wait(&place, limit.sleep(py), patient)? {
                    Ok(()) => Ok(place.index),
                    Err(BrokenBarrier) => Err(broken(py)),
                }
            }
            Ok(Some(BarrierArrival::Last(turn))) => {
                self.run_action(py).inspect_err(|_| self.core.abort())?;
                self.core.open(turn).map_err(|BrokenBarrier| broken(py))?;
                Ok(self.core.parties() - 1)
            }
        }
    }

    /// Resets the barrier. Waiting threads get BrokenBarrierError.
    fn reset(&self) {
        self.core.reset();
    }

    /// Breaks the barrier. Waiting and later threads get BrokenBarrierError until `reset()`.
    fn abort(&self) {
        self.core.abort();
    }

    /// The number of threads that pass together.
    #[getter]
    fn parties(&self) -> usize {
        self.core.parties()
    }

    /// The number of waiting threads.
    #[getter]
    fn n_waiting(&self) -> usize {
        self.core.waiting()
    }

    /// True if the barrier is broken.
    #[getter]
    fn broken(&self) -> bool {
        self.core.is_broken()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let core = &slf.get().core;
        let more = match core.is_broken() {
            true => ": broken".to_owned(),
            false => format!(": waiters={}/{}", core.waiting(), core.parties()),
        };
        describe(slf.as_any(), "", &more)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        word::visit(&self.action, visit)
    }

    fn __clear__(&self) {
        drop(self.action.take());
    }
}
