//! The Python class `Phaser`.

use super::{Limit, describe};
use crate::object::{Object, encode, word};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::lock::{self, MAX_PARTIES, PhaserArrival, PhaserError};
use ungil_sync::slot::Slot;

/// A barrier whose parties may join and leave (Java's `Phaser`). Its phases are 0, 1, 2 ...: when
/// every registered party has arrived, the next phase begins. In between, the thread that arrived
/// last calls `on_advance(phase, parties)`; a true result terminates the phaser. Without
/// `on_advance`, the phaser terminates when no party is left. Once it is terminated, no thread
/// waits any more, and phases are reported as negative numbers.
///
/// Thread safety: atomic, every method. `on_advance` is called by one thread, with no lock held; if
/// it raises, the phaser is terminated and that thread gets the exception.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Phaser {
    core: Box<lock::Phaser>,
    on_advance: Slot<Object>,
}

fn error(error: PhaserError) -> PyErr {
    match error {
        PhaserError::NoParties => PyRuntimeError::new_err(
            "arrival of a party that is not registered: call register() first",
        ),
        PhaserError::TooMany => {
            PyValueError::new_err(format!("a Phaser can have at most {MAX_PARTIES} parties"))
        }
        PhaserError::GaveUp => PyRuntimeError::new_err("gave up while a phase was being advanced"),
    }
}

impl Phaser {
    /// Returns true if the phaser must terminate, by calling the callback.
    fn should_terminate(&self, py: Python<'_>, phase: i64, parties: u64) -> PyResult<bool> {
        match word::load(py, &self.on_advance)? {
            Some(callback) => callback.call1((phase, parties))?.is_truthy(),
            None => Ok(parties == 0),
        }
    }

    /// Arrives. Returns the phase arrived at, and the new phase if this arrival advanced it.
    fn arrive_and_advance(&self, py: Python<'_>, leave: bool) -> PyResult<(i64, Option<i64>)> {
        match self.core.arrive(leave, Limit::FOREVER.sleep(py))?.map_err(error)? {
            PhaserArrival::Early(phase) => Ok((phase, None)),
            PhaserArrival::Last { phase, parties } => {
                let over = self.should_terminate(py, phase, parties);
                let now = self.core.advance(*over.as_ref().unwrap_or(&true));
                over?;
                Ok((phase, Some(now)))
            }
        }
    }
}

#[pymethods]
impl Phaser {
    #[new]
    #[pyo3(signature = (parties = 0, on_advance = None))]
    fn new(parties: i64, on_advance: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let parties =
            u64::try_from(parties).map_err(|_| PyValueError::new_err("parties must be >= 0"))?;
        let core = Box::new(lock::Phaser::new(parties).map_err(error)?);
        Ok(Self { core, on_advance: Slot::new(on_advance.map(encode)) })
    }

    #[pyo3(signature = (parties = 0, on_advance = None))]
    fn __init__(slf: &Bound<'_, Self>, parties: i64, on_advance: Option<&Bound<'_, PyAny>>) {
        let _ = (parties, on_advance);
        crate::sharing::defer_count(slf.as_any());
    }

    /// Registers `n` parties and returns the first phase in which they are expected.
    #[pyo3(signature = (n = 1))]
    fn register(&self, py: Python<'_>, n: i64) -> PyResult<i64> {
        let Ok(n @ 1..) = u64::try_from(n) else {
            return Err(PyValueError::new_err("n must be one or more"));
        };
        self.core.register(n, Limit::FOREVER.sleep(py))?.map_err(error)
    }

    /// Arrives without waiting for the other parties and returns the phase arrived at.
    fn arrive(&self, py: Python<'_>) -> PyResult<i64> {
        Ok(self.arrive_and_advance(py, false)?.0)
    }

    /// Arrives and deregisters, without waiting, and returns the phase arrived at.
    fn arrive_and_deregister(&self, py: Python<'_>) -> PyResult<i64> {
        Ok(self.arrive_and_advance(py, true)?.0)
    }

    /// Arrives, waits for the other parties and returns the phase that begins. If the wait is
    /// interrupted, the party has arrived nevertheless.
    fn arrive_and_await_advance(&self, py: Python<'_>) -> PyResult<i64> {
        match self.arrive_and_advance(py, false)? {
            (_, Some(now)) => Ok(now),
            (phase, None) => self.await_advance(py, phase, None),
        }
    }

    /// Waits while the phase is `phase`, at most `timeout` seconds, and returns the new phase.
    /// Raises TimeoutError if the phase has not changed.
    #[pyo3(signature = (phase, timeout = None))]
    fn await_advance(&self, py: Python<'_>, phase: i64, timeout: Option<f64>) -> PyResult<i64> {
        let limit = Limit::of_wait(timeout)?;
        self.core.wait(phase, limit.sleep(py))?.ok_or_else(|| {
            pyo3::exceptions::PyTimeoutError::new_err(format!("phase {phase} is not over yet"))
        })
    }

    /// Terminates the phaser: waiting threads go on, and later waits return at once.
    fn force_termination(&self) {
        self.core.terminate();
    }

    /// The current phase; negative once terminated.
    #[getter]
    fn phase(&self) -> i64 {
        self.core.phase()
    }

    /// True if the phaser is terminated.
    #[getter]
    fn terminated(&self) -> bool {
        self.core.phase() < 0
    }

    /// The number of registered parties.
    #[getter]
    fn parties(&self) -> u64 {
        self.core.parties()
    }

    /// The number of parties that have arrived at the current phase.
    #[getter]
    fn arrived(&self) -> u64 {
        self.core.arrived()
    }

    /// The number of parties that have not arrived at the current phase.
    #[getter]
    fn unarrived(&self) -> u64 {
        self.core.unarrived()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let core = &slf.get().core;
        let more =
            format!(": phase={} arrived={}/{}", core.phase(), core.arrived(), core.parties());
        describe(slf.as_any(), "", &more)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        word::visit(&self.on_advance, visit)
    }

    fn __clear__(&self) {
        drop(self.on_advance.take());
    }
}
