//! What `ThreadPool.map` returns.

use super::bulk::{Bulk, Kind};
use super::names;
use super::team::Team;
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The outcomes of a row of calls, in order, each as soon as it is there. What has not begun is
/// dropped when a call's exception is raised, the time is up, or the iterator goes away after its
/// first use.
#[pyclass(frozen, module = "ungil", name = "_MapIterator")]
pub(super) struct MapIterator {
    bulk: Arc<Bulk>,
    team: Arc<Team>,
    next: AtomicUsize,
    deadline: Option<Instant>,
}

impl MapIterator {
    pub(super) fn new(bulk: Arc<Bulk>, team: Arc<Team>, deadline: Option<Instant>) -> Self {
        Self { bulk, team, next: AtomicUsize::new(0), deadline }
    }

    fn stop(&self) {
        self.next.store(self.bulk.split.len(), Ordering::Relaxed);
        self.bulk.stop();
    }
}

#[pymethods]
impl MapIterator {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let len = self.bulk.split.len();
        if self.next.load(Ordering::Relaxed) >= len {
            return Ok(None);
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= len {
            return Ok(None);
        }
        let bulk = &self.bulk;
        let waited = match bulk.has(index) {
            true => Ok(true),
            // Every item accounted for and nothing in its place: it was dropped.
            false => bulk.wait_until(py, &self.team, self.deadline, || {
                bulk.has(index) || bulk.split.is_complete()
            }),
        };
        let outcome = match waited {
            Ok(true) => match bulk.outcome(py, index) {
                Some(outcome) => outcome,
                None => bulk.error(py).and_then(|()| Err(names::cancelled(py, ""))),
            },
            Ok(false) => Err(PyTimeoutError::new_err(())),
            Err(interrupt) => Err(interrupt),
        };
        outcome.map(Some).inspect_err(|_| self.stop())
    }

    /// Drops what has not begun.
    fn close(&self) {
        self.stop();
    }

    /// How many are still to come, if nothing is raised.
    fn __length_hint__(&self) -> usize {
        self.bulk.split.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.bulk.traverse(visit)
    }

    fn __clear__(&self) {
        self.bulk.forget();
    }
}

impl Drop for MapIterator {
    fn drop(&mut self) {
        let next = self.next.load(Ordering::Relaxed);
        if next > 0 && next < self.bulk.split.len() && matches!(self.bulk.kind, Kind::Collect(_)) {
            self.bulk.stop();
        }
    }
}
