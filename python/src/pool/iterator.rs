//! The iterator returned by `ThreadPool.map`.

use super::bulk::{Bulk, BulkKind};
use super::errors;
use super::pool_state::PoolState;
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The outcomes of a bulk operation, in order, each as soon as it is present. Items not begun are
/// dropped when a call's exception is raised, the deadline passes, or the iterator is dropped after
/// its first use.
#[pyclass(frozen, module = "ungil", name = "_MapIterator")]
pub(super) struct MapIterator {
    bulk: Arc<Bulk>,
    pool: Arc<PoolState>,
    next: AtomicUsize,
    deadline: Option<Instant>,
}

impl MapIterator {
    pub(super) fn new(bulk: Arc<Bulk>, pool: Arc<PoolState>, deadline: Option<Instant>) -> Self {
        Self { bulk, pool, next: AtomicUsize::new(0), deadline }
    }

    fn stop(&self) {
        self.next.store(self.bulk.chunks.len(), Ordering::Relaxed);
        self.bulk.stop();
    }
}

#[pymethods]
impl MapIterator {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let len = self.bulk.chunks.len();
        if self.next.load(Ordering::Relaxed) >= len {
            return Ok(None);
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= len {
            return Ok(None);
        }
        let bulk = &self.bulk;
        let waited = match bulk.has_outcome(index) {
            true => Ok(true),
            // If the operation is complete and the slot is empty, the item was dropped.
            false => bulk.wait_until(py, &self.pool, self.deadline, || {
                bulk.has_outcome(index) || bulk.chunks.is_complete()
            }),
        };
        let outcome = match waited {
            Ok(true) => match bulk.take_outcome(py, index) {
                Some(outcome) => outcome,
                None => bulk.take_error(py).and_then(|()| Err(errors::cancelled(py, ""))),
            },
            Ok(false) => Err(PyTimeoutError::new_err(())),
            Err(interrupt) => Err(interrupt),
        };
        outcome.map(Some).inspect_err(|_| self.stop())
    }

    /// Drops all items not begun.
    fn close(&self) {
        self.stop();
    }

    /// Returns the number of outcomes still to come, if none is an exception.
    fn __length_hint__(&self) -> usize {
        self.bulk.chunks.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.bulk.traverse(visit)
    }

    fn __clear__(&self) {
        self.bulk.drop_outcomes();
    }
}

impl Drop for MapIterator {
    fn drop(&mut self) {
        let next = self.next.load(Ordering::Relaxed);
        if next > 0
            && next < self.bulk.chunks.len()
            && matches!(self.bulk.kind, BulkKind::Collect(_))
        {
            self.bulk.stop();
        }
    }
}
