//! `ConcurrentCounter`: its part in Rust.

#![allow(unsafe_code)]

use super::classes::{full, shards};
use super::key::Key;
use crate::object::{Object, decode, word};
use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::table::{CounterMap, Overflow};

/// Counts by key.
#[pyclass(frozen, subclass, weakref, mapping, name = "Counter", module = "ungil._ungil")]
pub(crate) struct Counter {
    tally: CounterMap<Object>,
}

fn overflow(_: Overflow) -> PyErr {
    PyOverflowError::new_err("a count must lie between -2**61 and 2**61 - 1")
}

fn fitting(n: i64) -> PyResult<i64> {
    if CounterMap::<Object>::fits(n) { Ok(n) } else { Err(overflow(Overflow)) }
}

#[pymethods]
impl Counter {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { tally: CounterMap::new(shards()) }
    }

    #[pyo3(signature = (*_args, **_kwargs))]
    fn __init__(
        slf: &Bound<'_, Self>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) {
        crate::sharing::own(slf.as_any());
    }

    fn __len__(&self) -> usize {
        self.tally.len()
    }

    fn __bool__(&self) -> bool {
        !self.tally.is_empty()
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Key::new(key)?.search(|key, search| self.tally.contains(key, search))
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(Key::new(key)?.search(|key, search| self.tally.get(key, search))?.unwrap_or(0))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, count: i64) -> PyResult<()> {
        let count = fitting(count)?;
        let key = Key::new(key)?;
        let mut hunt = key.hunt();
        while hunt.run(|key, search| self.tally.replace(key, search, count))?.is_none() {
            if self.tally.insert(&hunt.search, key.own(), count).map_err(full)? {
                break;
            }
        }
        Ok(())
    }

    /// Deleting what is not counted is no error, as for `collections.Counter`.
    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take(key).map(drop)
    }

    /// Removes `key` and returns its count; None if it had none.
    #[pyo3(name = "_take", signature = (key, /))]
    fn take(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        let removed = Key::new(key)?.search(|key, search| self.tally.remove(key, search))?;
        Ok(removed.map(|(_, count)| count))
    }

    /// Adds `n` to `key`'s count. Threads that add to one key do not slow each other down for long:
    /// its count is then kept in a part for each.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, n = 1, /))]
    fn add(&self, key: &Bound<'_, PyAny>, n: i64) -> PyResult<()> {
        let n = fitting(n)?;
        let key = Key::new(key)?;
        let mut hunt = key.hunt();
        loop {
            if let Some(result) = hunt.run(|key, search| self.tally.add(key, search, n))? {
                return result.map_err(overflow);
            }
            if self.tally.insert(&hunt.search, key.own(), n).map_err(full)? {
                return Ok(());
            }
        }
    }

    /// Removes every count that is there when it begins. Each goes in one step, all of them do not.
    ///
    /// Thread safety: shared.
    fn clear(&self) -> PyResult<()> {
        self.tally.drain().map(drop).map_err(full)
    }

    fn _shards(&self) -> usize {
        self.tally.shards()
    }

    fn _shard<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        if index >= self.tally.shards() {
            return Err(PyIndexError::new_err("there is no such part"));
        }
        let list = PyList::empty(py);
        for (key, count) in self.tally.entries(index).map_err(full)? {
            list.append((decode(py, key)?, count))?;
        }
        Ok(list)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: `visit` exists only here, when every other thread stands still.
        unsafe { self.tally.for_each(|key| word::visit_word(key, visit)) }
    }

    fn __clear__(&self) {
        drop(self.tally.drain());
    }
}
