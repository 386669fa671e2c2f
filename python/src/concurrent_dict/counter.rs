//! The Rust part of `ConcurrentCounter`.

#![allow(unsafe_code)]

use super::classes::{full, shards};
use super::key::Key;
use crate::object::{Object, decode, word};
use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::table::{CounterMap, Overflow};

/// The core of `ConcurrentCounter`.
#[pyclass(frozen, subclass, weakref, mapping, name = "Counter", module = "ungil._ungil")]
pub(crate) struct Counter {
    counts: CounterMap<Object>,
}

fn overflow(_: Overflow) -> PyErr {
    PyOverflowError::new_err("a count must lie between -2**61 and 2**61 - 1")
}

fn check_range(n: i64) -> PyResult<i64> {
    if CounterMap::<Object>::fits(n) { Ok(n) } else { Err(overflow(Overflow)) }
}

#[pymethods]
impl Counter {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { counts: CounterMap::new(shards()) }
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
        self.counts.len()
    }

    fn __bool__(&self) -> bool {
        !self.counts.is_empty()
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Key::new(key)?.search(|key, search| self.counts.contains(key, search))
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(Key::new(key)?.search(|key, search| self.counts.get(key, search))?.unwrap_or(0))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, count: i64) -> PyResult<()> {
        let count = check_range(count)?;
        let key = Key::new(key)?;
        let mut search = key.key_search();
        while search.run(|key, search| self.counts.replace(key, search, count))?.is_none() {
            if self.counts.insert(&search.search, key.own(), count).map_err(full)? {
                break;
            }
        }
        Ok(())
    }

    /// Deleting an absent key is not an error, as in `collections.Counter`.
    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take(key).map(drop)
    }

    /// Removes `key` and returns its count, or None if it had none.
    #[pyo3(name = "_take", signature = (key, /))]
    fn take(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        let removed = Key::new(key)?.search(|key, search| self.counts.remove(key, search))?;
        Ok(removed.map(|(_, count)| count))
    }

    /// Adds `n` to `key`'s count. If many threads add to one key, its count is kept in one part per
    /// thread, so that they do not contend.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, n = 1, /))]
    fn add(&self, key: &Bound<'_, PyAny>, n: i64) -> PyResult<()> {
        let n = check_range(n)?;
        let key = Key::new(key)?;
        let mut search = key.key_search();
        loop {
            if let Some(result) = search.run(|key, search| self.counts.add(key, search, n))? {
                return result.map_err(overflow);
            }
            if self.counts.insert(&search.search, key.own(), n).map_err(full)? {
                return Ok(());
            }
        }
    }

    /// Removes every count present when the call begins. Each removal is atomic; all together are
    /// not.
    ///
    /// Thread safety: shared.
    fn clear(&self) -> PyResult<()> {
        self.counts.drain().map(drop).map_err(full)
    }

    fn _shards(&self) -> usize {
        self.counts.shards()
    }

    fn _shard<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        if index >= self.counts.shards() {
            return Err(PyIndexError::new_err("there is no such shard"));
        }
        let list = PyList::empty(py);
        for (key, count) in self.counts.entries(index).map_err(full)? {
            list.append((decode(py, key)?, count))?;
        }
        Ok(list)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: `visit` exists only during `__traverse__`, while every other thread is stopped.
        unsafe { self.counts.for_each(|key| word::visit_word(key, visit)) }
    }

    fn __clear__(&self) {
        drop(self.counts.drain());
    }
}
