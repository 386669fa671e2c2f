//! Iterators. They take a part of the table at a time, so that what was there all along is met
//! exactly once and nothing is met twice that was not added again, and no change made meanwhile
//! disturbs them. Threads may share one; each entry goes to one of them.

use super::classes::{Dict, Set, full};
use crate::object::{Word, decode, word};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, MutexGuard, PoisonError};
use ungil_sync::table::TableAllocError;

type Entry = (Word, Word);

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Keys,
    Values,
    Items,
}

enum Source {
    Dict(Py<Dict>),
    Set(Py<Set>),
}

impl Source {
    /// The entries of a part, or nothing after the last.
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

/// The entries taken and not given out yet, and the part to take next.
#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    next: usize,
}

/// An iterator.
#[pyclass(frozen, name = "_Entries", module = "ungil")]
pub(crate) struct Entries {
    source: Source,
    kind: Kind,
    state: Mutex<State>,
}

impl Entries {
    pub(super) fn of_dict(dict: &Bound<'_, Dict>, kind: Kind) -> Self {
        Self { source: Source::Dict(dict.clone().unbind()), kind, state: Mutex::default() }
    }

    pub(super) fn of_set(set: &Bound<'_, Set>) -> Self {
        Self {
            source: Source::Set(set.clone().unbind()),
            kind: Kind::Keys,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Result<Option<Entry>, TableAllocError> {
        loop {
            let part = {
                let mut state = self.state();
                if let Some(entry) = state.entries.pop() {
                    return Ok(Some(entry));
                }
                state.next += 1;
                state.next - 1
            };
            // Copied outside of the lock: it may give counts back.
            let Some(entries) = self.source.entries(part) else { return Ok(None) };
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
            Kind::Keys => decode(py, key),
            Kind::Values => decode(py, value),
            Kind::Items => Ok(PyTuple::new(py, [decode(py, key)?, decode(py, value)?])?.into_any()),
        }
        .map(Some)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.source {
            Source::Dict(dict) => visit.call(dict)?,
            Source::Set(set) => visit.call(set)?,
        }
        // The world stands still, and nobody stops while holding it.
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
