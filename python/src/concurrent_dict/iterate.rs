//! Iterators. They copy one shard at a time, so an entry present throughout is yielded exactly
//! once, no entry is yielded twice unless it was added again, and concurrent changes do not disturb
//! the iteration. Threads may share an iterator; each entry goes to one of them.

use super::classes::{Dict, Set, full};
use crate::object::{Word, decode, word};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, MutexGuard, PoisonError};
use ungil_sync::table::TableAllocError;

type Entry = (Word, Word);

#[derive(Clone, Copy)]
pub(super) enum EntryView {
    Keys,
    Values,
    Items,
}

enum EntrySource {
    Dict(Py<Dict>),
    Set(Py<Set>),
}

impl EntrySource {
    /// Returns the entries of a shard, or `None` after the last.
    fn entries(&self, index: usize) -> Option<Result<Vec<Entry>, TableAllocError>> {
        match self {
            Self::Dict(dict) => {
                let table = &dict.get().table;
                (index < table.shards()).then(|| table.entries(index))
            }
            Self::Set(set) => {
                let table = &set.get().table;
                (index < table.shards()).then(|| table.entries(index))
            }
        }
    }
}

/// The entries copied but not yielded yet, and the next shard to copy.
#[derive(Default)]
struct IteratorState {
    entries: Vec<Entry>,
    next: usize,
}

/// An iterator over keys, values or items.
#[pyclass(frozen, name = "_Entries", module = "ungil")]
pub(crate) struct Entries {
    source: EntrySource,
    kind: EntryView,
    state: Mutex<IteratorState>,
}

impl Entries {
    pub(super) fn of_dict(dict: &Bound<'_, Dict>, kind: EntryView) -> Self {
        Self { source: EntrySource::Dict(dict.clone().unbind()), kind, state: Mutex::default() }
    }

    pub(super) fn of_set(set: &Bound<'_, Set>) -> Self {
        Self {
            source: EntrySource::Set(set.clone().unbind()),
            kind: EntryView::Keys,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, IteratorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Result<Option<Entry>, TableAllocError> {
        loop {
            let shard = {
                let mut state = self.state();
                if let Some(entry) = state.entries.pop() {
                    return Ok(Some(entry));
                }
                state.next += 1;
                state.next - 1
            };
            // Copied outside the lock, because copying may release counts.
            let Some(entries) = self.source.entries(shard) else { return Ok(None) };
            let mut entries = entries?;
            let entry = entries.pop();
            if !entries.is_empty() {
                self.state().entries.append(&mut entries);
            }
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }
}

#[pymethods]
impl Entries {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some((key, value)) = self.next().map_err(full)? else { return Ok(None) };
        match self.kind {
            EntryView::Keys => decode(py, key),
            EntryView::Values => decode(py, value),
            EntryView::Items => {
                Ok(PyTuple::new(py, [decode(py, key)?, decode(py, value)?])?.into_any())
            }
        }
        .map(Some)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.source {
            EntrySource::Dict(dict) => visit.call(dict)?,
            EntrySource::Set(set) => visit.call(set)?,
        }
        // All threads are stopped, and none can be stopped while holding the lock.
        let Ok(state) = self.state.try_lock() else { return Ok(()) };
        for (key, value) in &state.entries {
            word::visit_word(key, visit)?;
            word::visit_word(value, visit)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let entries = std::mem::take(&mut self.state().entries);
        drop(entries);
    }
}
