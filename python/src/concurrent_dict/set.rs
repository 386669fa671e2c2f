//! The Rust part of `ConcurrentSet`.

#![allow(unsafe_code)]

use super::classes::{Set, full, missing, shards};
use super::iterate::Entries;
use super::key::Key;
use crate::object::{decode, word};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::table::{Table, UpdateOutcome};

#[pymethods]
impl Set {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { table: Table::new(shards()) }
    }

    #[pyo3(signature = (*_args, **_kwargs))]
    fn __init__(
        slf: &Bound<'_, Self>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) {
        crate::sharing::defer_count(slf.as_any());
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    fn __bool__(&self) -> bool {
        !self.table.is_empty()
    }

    fn __contains__(&self, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        Key::new(element)?.search(|key, search| self.table.contains(key, search))
    }

    fn __iter__(slf: &Bound<'_, Self>) -> Entries {
        Entries::of_set(slf)
    }

    /// Adds `element`. Returns true if it was absent.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (element, /))]
    fn add(&self, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        let key = Key::new(element)?;
        let mut search = key.key_search();
        loop {
            if search.run(|key, search| self.table.contains(key, search))? {
                return Ok(false);
            }
            if self.table.insert(&search.search, key.own(), word::zero()).map_err(full)?.is_none() {
                return Ok(true);
            }
        }
    }

    /// Removes `element`. Returns true if it was present.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (element, /))]
    fn discard(&self, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        let removed =
            Key::new(element)?.search(|key, search| self.table.remove(key, search, None))?;
        Ok(matches!(removed, UpdateOutcome::Done(_)))
    }

    /// Removes `element`. Raises KeyError if it is absent.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (element, /))]
    fn remove(&self, element: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.discard(element)? { Ok(()) } else { Err(missing(element)) }
    }

    /// Removes any element and returns it. Raises KeyError if the set is empty.
    ///
    /// Thread safety: atomic.
    fn pop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.table.pop(ungil_sync::stripe::thread_number()) {
            Some((key, _)) => decode(py, key),
            None => Err(PyKeyError::new_err("pop from an empty set")),
        }
    }

    /// Removes every element present when the call begins. Each removal is atomic; all together are
    /// not.
    ///
    /// Thread safety: shared.
    fn clear(&self) -> PyResult<()> {
        self.table.drain().map(drop).map_err(full)
    }

    fn _shards(&self) -> usize {
        self.table.shards()
    }

    fn _shard<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        if index >= self.table.shards() {
            return Err(pyo3::exceptions::PyIndexError::new_err("there is no such shard"));
        }
        let list = PyList::empty(py);
        for (key, _) in self.table.entries(index).map_err(full)? {
            list.append(decode(py, key)?)?;
        }
        Ok(list)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: `visit` exists only during `__traverse__`, while every other thread is stopped.
        unsafe { self.table.for_each(|key, _| word::visit_word(key, visit)) }
    }

    fn __clear__(&self) {
        drop(self.table.drain());
    }
}
