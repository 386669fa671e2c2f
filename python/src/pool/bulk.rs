//! A row of calls that any number of workers share: `map`, `for_each`, `parallel_for`, `reduce`.
//! There is no future for each item: an outcome is written in its place, or folded into what the
//! worker has.

use super::fold::Fold;
use super::items::Items;
use crate::object::word::{self, take};
use crate::object::{Object, count, encode};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Arc;
use ungil_sync::park::WaitSet;
use ungil_sync::pool::ChunkDispenser;
use ungil_sync::slot::Slot;

/// What becomes of a call's outcome.
pub(super) enum Kind {
    /// Nothing.
    Each,
    /// It is kept in its place; an exception as [`Raised`].
    Collect(Box<[Slot<Object>]>),
    /// It is the worker's accumulator from then on.
    Fold(Fold),
}

/// The row.
pub(crate) struct Bulk {
    pub(super) split: ChunkDispenser,
    pub(super) items: Items,
    pub(super) function: Slot<Object>,
    pub(super) kind: Kind,
    pub(super) grain: Option<usize>,
    /// The first error that ends it all.
    error: Slot<Object>,
    /// Told of outcomes and of the end.
    pub(super) changed: WaitSet,
}

/// In a call's place: what it raised, where another's is what it returned. No user ever sees it.
#[pyclass(frozen, module = "ungil._ungil", name = "_Raised")]
pub(super) struct Raised(Py<PyBaseException>);

#[pymethods]
impl Raised {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}

impl Raised {
    pub(super) fn of(py: Python<'_>, error: PyErr) -> PyResult<Bound<'_, Self>> {
        let error = error.into_value(py);
        // Handed over, as every outcome is: whoever takes it drops it alone.
        count::give(error.bind(py));
        Bound::new(py, Self(error))
    }
}

impl Bulk {
    pub(super) fn new(
        function: &Bound<'_, PyAny>,
        items: Items,
        kind: Kind,
        grain: Option<usize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            split: ChunkDispenser::new(items.len()),
            items,
            function: Slot::new(encode(function)),
            kind,
            grain,
            error: Slot::default(),
            changed: WaitSet::default(),
        })
    }

    /// Notes that so many items are accounted for.
    pub(super) fn account(&self, items: usize) {
        if self.split.complete(items) {
            self.end();
        } else if matches!(self.kind, Kind::Collect(_)) {
            self.changed.notify_all();
        }
    }

    fn end(&self) {
        self.changed.notify_all();
        drop(self.function.take());
    }

    /// Drops what has not begun.
    pub(super) fn stop(&self) {
        if self.split.stop() {
            self.end();
        } else {
            self.changed.notify_all();
        }
    }

    /// Drops what has not begun because of an error. The first one counts.
    pub(super) fn fail(&self, py: Python<'_>, error: PyErr) {
        drop(self.error.compare_exchange(None, encode(error.into_value(py).bind(py))));
        self.stop();
    }

    /// The error that ended it all, taken out.
    pub(super) fn error(&self, py: Python<'_>) -> PyResult<()> {
        match take(py, &self.error)? {
            Some(error) => Err(PyErr::from_value(error)),
            None => Ok(()),
        }
    }

    /// The outcome at `index`, taken out, if it is there.
    pub(super) fn outcome<'py>(
        &self,
        py: Python<'py>,
        index: usize,
    ) -> Option<PyResult<Bound<'py, PyAny>>> {
        let Kind::Collect(places) = &self.kind else { return None };
        let outcome = take(py, &places[index]).transpose()?;
        Some(outcome.and_then(|value| match value.cast_exact::<Raised>() {
            Ok(raised) => Err(PyErr::from_value(raised.get().0.bind(py).clone().into_any())),
            Err(_) => Ok(value),
        }))
    }

    /// Whether there is an outcome at `index`.
    pub(super) fn has(&self, index: usize) -> bool {
        matches!(&self.kind, Kind::Collect(places) if !places[index].is_empty())
    }

    /// Shows the collector the outcomes. What is not begun is not shown: workers hold it, too.
    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Kind::Collect(places) = &self.kind else { return Ok(()) };
        places.iter().try_for_each(|place| word::visit(place, visit))
    }

    /// Drops the outcomes.
    pub(super) fn forget(&self) {
        if let Kind::Collect(places) = &self.kind {
            places.iter().for_each(|place| drop(place.take()));
        }
    }
}
