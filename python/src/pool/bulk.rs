//! A bulk operation: a sequence of calls shared by any number of workers (`map`, `for_each`,
//! `parallel_for`, `reduce`). There is no future per item: an outcome is stored in the item's slot
//! or folded into the worker's accumulator.

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

/// What happens to a call's outcome.
pub(super) enum BulkKind {
    /// It is dropped.
    Each,
    /// It is stored in the item's slot; an exception as [`Raised`].
    Collect(Box<[Slot<Object>]>),
    /// It becomes the worker's accumulator.
    Fold(Fold),
}

/// A bulk operation.
pub(crate) struct Bulk {
    pub(super) chunks: ChunkDispenser,
    pub(super) items: Items,
    pub(super) function: Slot<Object>,
    pub(super) kind: BulkKind,
    /// The fixed chunk size, if the caller chose one.
    pub(super) grain: Option<usize>,
    /// The first error, which ended the operation.
    error: Slot<Object>,
    /// Notified of outcomes and of the end.
    pub(super) changed: WaitSet,
}

/// In an item's slot: the exception that the call raised. Never visible to users.
#[pyclass(frozen, module = "ungil._ungil", name = "_Raised")]
pub(super) struct Raised(Py<PyBaseException>);

#[pymethods]
impl Raised {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}

impl Raised {
    pub(super) fn new(py: Python<'_>, error: PyErr) -> PyResult<Bound<'_, Self>> {
        let error = error.into_value(py);
        // Merged like every outcome, so that any thread may drop it directly.
        count::merge_count_of(error.bind(py));
        Bound::new(py, Self(error))
    }
}

impl Bulk {
    pub(super) fn new(
        function: &Bound<'_, PyAny>,
        items: Items,
        kind: BulkKind,
        grain: Option<usize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            chunks: ChunkDispenser::new(items.len()),
            items,
            function: Slot::new(encode(function)),
            kind,
            grain,
            error: Slot::default(),
            changed: WaitSet::default(),
        })
    }

    /// Records that `items` items are completed.
    pub(super) fn complete(&self, items: usize) {
        if self.chunks.complete(items) {
            self.end();
        } else if matches!(self.kind, BulkKind::Collect(_)) {
            self.changed.notify_all();
        }
    }

    fn end(&self) {
        self.changed.notify_all();
        drop(self.function.take());
    }

    /// Drops all items not begun.
    pub(super) fn stop(&self) {
        if self.chunks.stop() {
            self.end();
        } else {
            self.changed.notify_all();
        }
    }

    /// Records an error and drops all items not begun. Only the first error is kept.
    pub(super) fn fail(&self, py: Python<'_>, error: PyErr) {
        drop(self.error.compare_exchange(None, encode(error.into_value(py).bind(py))));
        self.stop();
    }

    /// Takes the error that ended the operation, and returns it if there was one.
    pub(super) fn take_error(&self, py: Python<'_>) -> PyResult<()> {
        match take(py, &self.error)? {
            Some(error) => Err(PyErr::from_value(error)),
            None => Ok(()),
        }
    }

    /// Takes the outcome at `index`, if it is present.
    pub(super) fn take_outcome<'py>(
        &self,
        py: Python<'py>,
        index: usize,
    ) -> Option<PyResult<Bound<'py, PyAny>>> {
        let BulkKind::Collect(slots) = &self.kind else { return None };
        let outcome = take(py, &slots[index]).transpose()?;
        Some(outcome.and_then(|value| match value.cast_exact::<Raised>() {
            Ok(raised) => Err(PyErr::from_value(raised.get().0.bind(py).clone().into_any())),
            Err(_) => Ok(value),
        }))
    }

    /// Returns true if the outcome at `index` is present.
    pub(super) fn has_outcome(&self, index: usize) -> bool {
        matches!(&self.kind, BulkKind::Collect(slots) if !slots[index].is_empty())
    }

    /// Passes the outcomes to the collector. Items not begun are not included, because workers hold
    /// them too.
    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let BulkKind::Collect(slots) = &self.kind else { return Ok(()) };
        slots.iter().try_for_each(|slot| word::visit(slot, visit))
    }

    /// Drops the outcomes.
    pub(super) fn drop_outcomes(&self) {
        if let BulkKind::Collect(slots) = &self.kind {
            slots.iter().for_each(|slot| drop(slot.take()));
        }
    }
}
