//! `Exchanger`.

use super::waiting::Patience;
use crate::atomics::cell::value;
use crate::object::{Object, block, decode, encode, word};
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::queue::{Exchange, OfferOutcome};

/// A place where two threads meet and swap what they bring (Java's `Exchanger`).
///
/// Thread safety: atomic.
#[pyclass(frozen, subclass, weakref, module = "ungil", generic)]
#[derive(Default)]
pub(crate) struct Exchanger {
    place: Exchange<Object>,
}

#[pymethods]
impl Exchanger {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::own(slf.as_any());
    }

    /// Waits for another thread to do the same, gives it `item` and returns what it brought. Raises
    /// `TimeoutError` if none comes within `timeout` seconds; then nothing was given away.
    ///
    /// Thread safety: atomic. If a signal handler raises when the other has just come, the exchange
    /// has taken place and what it brought is lost.
    #[pyo3(signature = (item, timeout = None))]
    fn exchange<'py>(
        &self,
        item: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = item.py();
        let patience = timeout.map_or(Ok(Patience::Endless), Patience::of)?;
        let offer = match self.place.offer(encode(item)) {
            OfferOutcome::Partner(theirs) => return value(py, theirs),
            OfferOutcome::Waiting(offer) => offer,
        };
        let woken = block::park(py, &offer.parker, patience.deadline());
        let theirs = self.place.finish(&offer);
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
        self.place.for_each(|item| outcome = word::visit(item, visit));
        outcome
    }

    fn __clear__(&self) {}
}
