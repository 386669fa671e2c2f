//! The Python class `Exchanger`.

use super::waiting::WaitLimit;
use crate::atomics::cell::value;
use crate::object::{Object, block, decode, encode, word};
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::queue::{Exchange, OfferOutcome};

/// A rendezvous at which two threads swap items (Java's `Exchanger`).
///
/// Thread safety: atomic.
#[pyclass(frozen, subclass, weakref, module = "ungil", generic)]
#[derive(Default)]
pub(crate) struct Exchanger {
    rendezvous: Exchange<Object>,
}

#[pymethods]
impl Exchanger {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::defer_count(slf.as_any());
    }

    /// Waits for another thread that calls `exchange`, gives it `item` and returns its item. Raises
    /// `TimeoutError` if no thread comes within `timeout` seconds; then nothing was exchanged.
    ///
    /// Thread safety: atomic. If a signal handler raises just after the other thread has come, the
    /// exchange has taken place and the other thread's item is lost.
    #[pyo3(signature = (item, timeout = None))]
    fn exchange<'py>(
        &self,
        item: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = item.py();
        let limit = timeout.map_or(Ok(WaitLimit::Forever), WaitLimit::from_timeout)?;
        let offer = match self.rendezvous.offer(encode(item)) {
            OfferOutcome::Partner(theirs) => return value(py, theirs),
            OfferOutcome::Waiting(offer) => offer,
        };
        let woken = block::park(py, &offer.parker, limit.deadline());
        let theirs = self.rendezvous.finish(&offer);
        woken?;
        match theirs {
            Some(theirs) => decode(py, theirs),
            None => {
                Err(PyTimeoutError::new_err("no other thread came to exchange within the timeout"))
            }
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{}>", slf.get_type().qualname()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut outcome = Ok(());
        self.rendezvous.for_each(|item| outcome = word::visit(item, visit));
        outcome
    }

    fn __clear__(&self) {}
}
