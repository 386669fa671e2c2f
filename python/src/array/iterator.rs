//! Iteration over `Array`, `AppendList` and `MappedArray`, by index: each item is read when it is
//! reached, and concurrent changes never raise.

use super::Array;
use super::mapped::MappedArray;
use crate::list::AppendList;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The object iterated over.
pub(crate) enum SlotSource {
    Array(Py<Array>),
    List(Py<AppendList>),
    Mapped(Py<MappedArray>),
}

impl SlotSource {
    fn len(&self) -> usize {
        match self {
            Self::Array(array) => array.get().len(),
            Self::List(list) => list.get().len(),
            Self::Mapped(mapped) => mapped.get().len(),
        }
    }

    fn item<'py>(&self, py: Python<'py>, i: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Self::Array(array) => array.get().item(py, i),
            Self::List(list) => list.get().item(py, i),
            Self::Mapped(mapped) => mapped.get().item(py, i),
        }
    }
}

/// An iterator over slots. Threads may share one; each item goes to exactly one of them.
///
/// Thread safety: atomic.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct SlotIterator {
    source: SlotSource,
    /// Number of items handed out. Relaxed: it only divides the indices.
    taken: AtomicUsize,
    /// For `reversed`: the length at the beginning.
    from_end: Option<usize>,
}

impl SlotIterator {
    pub(crate) fn forward(source: SlotSource) -> Self {
        Self { source, taken: AtomicUsize::new(0), from_end: None }
    }

    pub(crate) fn backward(source: SlotSource) -> Self {
        let len = source.len();
        Self { source, taken: AtomicUsize::new(0), from_end: Some(len) }
    }

    fn remaining(&self, taken: usize) -> usize {
        self.from_end.unwrap_or_else(|| self.source.len()).saturating_sub(taken)
    }
}

#[pymethods]
impl SlotIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Once exhausted it stays exhausted, as other iterators do, even if the list has grown.
        const ENDED: usize = usize::MAX / 2;
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        if taken < ENDED && self.remaining(taken) > 0 {
            let i = self.from_end.map_or(taken, |len| len - 1 - taken);
            if let Some(item) = self.source.item(py, i)? {
                return Ok(Some(item));
            }
        }
        self.taken.store(ENDED, Ordering::Relaxed);
        Ok(None)
    }

    fn __length_hint__(&self) -> usize {
        self.remaining(self.taken.load(Ordering::Relaxed))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.source {
            SlotSource::Array(array) => visit.call(array),
            SlotSource::List(list) => visit.call(list),
            SlotSource::Mapped(mapped) => visit.call(mapped),
        }
    }
}
