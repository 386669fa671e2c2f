//! Iterating over `Array` and `AppendList`: by index, so that an item is what it is when it is
//! reached, and nothing ever raises.

use super::Array;
use super::mapped::MappedArray;
use crate::list::AppendList;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is iterated over.
pub(crate) enum Row {
    Array(Py<Array>),
    List(Py<AppendList>),
    Mapped(Py<MappedArray>),
}

impl Row {
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

/// An iterator over slots. Threads may share one: each item goes to one of them.
///
/// Thread safety: atomic.
#[pyclass(frozen, module = "ungil")]
pub(crate) struct SlotIterator {
    row: Row,
    taken: AtomicUsize,
    /// For `reversed`: how many there were when it began.
    from_end: Option<usize>,
}

impl SlotIterator {
    pub(crate) fn forward(row: Row) -> Self {
        Self { row, taken: AtomicUsize::new(0), from_end: None }
    }

    pub(crate) fn backward(row: Row) -> Self {
        let len = row.len();
        Self { row, taken: AtomicUsize::new(0), from_end: Some(len) }
    }

    fn left(&self, taken: usize) -> usize {
        self.from_end.unwrap_or_else(|| self.row.len()).saturating_sub(taken)
    }
}

#[pymethods]
impl SlotIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Stays at the end once it is there, as other iterators do, even if the list has grown
        // meanwhile.
        const ENDED: usize = usize::MAX / 2;
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        if taken < ENDED && self.left(taken) > 0 {
            let i = self.from_end.map_or(taken, |len| len - 1 - taken);
            if let Some(item) = self.row.item(py, i)? {
                return Ok(Some(item));
            }
        }
        self.taken.store(ENDED, Ordering::Relaxed);
        Ok(None)
    }

    fn __length_hint__(&self) -> usize {
        self.left(self.taken.load(Ordering::Relaxed))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.row {
            Row::Array(array) => visit.call(array),
            Row::List(list) => visit.call(list),
            Row::Mapped(mapped) => visit.call(mapped),
        }
    }
}
