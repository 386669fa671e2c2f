//! The Rust part of `ConcurrentDict`.

#![allow(unsafe_code)]

use super::change::{Decision, matches};
use super::classes::{Dict, full, missing, shards};
use super::iterate::{Entries, EntryView};
use super::key::Key;
use super::once::KeyLatches;
use crate::imported;
use crate::object::{decode, encode, word};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::table::{Table, UpdateOutcome};

#[pymethods]
impl Dict {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { table: Table::new(shards()), latches: KeyLatches::default() }
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

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Key::new(key)?.search(|key, search| self.table.contains(key, search))
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = slf.get().find(&Key::new(key)?, key.py())? {
            return Ok(value);
        }
        // Only subclasses define `__missing__`, and it is looked up on the class, as for dict.
        match slf.get_type().getattr_opt(imported::missing(key.py()))? {
            Some(function) => function.call1((slf, key)),
            None => Err(missing(key)),
        }
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(&Key::new(key)?, encode(value)).map(drop)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        match Key::new(key)?.search(|key, search| self.table.remove(key, search, None))? {
            UpdateOutcome::Done(_) => Ok(()),
            _ => Err(missing(key)),
        }
    }

    fn __iter__(slf: &Bound<'_, Self>) -> Entries {
        Entries::of_dict(slf, EntryView::Keys)
    }

    fn _values(slf: &Bound<'_, Self>) -> Entries {
        Entries::of_dict(slf, EntryView::Values)
    }

    fn _items(slf: &Bound<'_, Self>) -> Entries {
        Entries::of_dict(slf, EntryView::Items)
    }

    fn _shards(&self) -> usize {
        self.table.shards()
    }

    /// Returns the entries of one shard.
    fn _shard<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        if index >= self.table.shards() {
            return Err(pyo3::exceptions::PyIndexError::new_err("there is no such shard"));
        }
        let list = PyList::empty(py);
        for (key, value) in self.table.entries(index).map_err(full)? {
            list.append((decode(py, key)?, decode(py, value)?))?;
        }
        Ok(list)
    }

    /// Returns a plain dict of the entries.
    ///
    /// It contains every key that is present during the whole call, with a value it had during the
    /// call. It is not a snapshot of one moment: of two changes made while it runs, it may contain
    /// the later one and miss the earlier.
    ///
    /// Thread safety: shared.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for index in 0..self.table.shards() {
            for (key, value) in self.table.entries(index).map_err(full)? {
                dict.set_item(decode(py, key)?, decode(py, value)?)?;
            }
        }
        Ok(dict)
    }

    /// Removes `key` and returns its value, or `default`. Raises KeyError if the key is absent and
    /// there is no default.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, /, *default))]
    fn pop<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if default.len() > 1 {
            let given = default.len() + 1;
            return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "pop expected at most 2 arguments, got {given}"
            )));
        }
        match Key::new(key)?.search(|key, search| self.table.remove(key, search, None))? {
            UpdateOutcome::Done((_, value)) => decode(key.py(), value),
            _ if default.is_empty() => Err(missing(key)),
            _ => default.get_item(0),
        }
    }

    /// Removes any one entry and returns it as a pair. Raises KeyError if there is none. There is
    /// no order.
    ///
    /// Thread safety: atomic.
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        // Threads start at different shards, so that they do not contend for one entry.
        let (key, value) = self
            .table
            .pop(ungil_sync::stripe::thread_number())
            .ok_or_else(|| PyKeyError::new_err("popitem(): dictionary is empty"))?;
        Ok((decode(py, key)?, decode(py, value)?))
    }

    /// Returns the value of `key`, setting it to `default` if the key is absent. If several threads
    /// do this at once, one sets the value and all return it.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, default = None, /))]
    fn setdefault<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let default = default.map_or_else(|| py.None().into_bound(py), Bound::clone);
        let hashed = Key::new(key)?;
        if let Some(value) = self.find(&hashed, py)? {
            return Ok(value);
        }
        match self.insert_if_absent(&hashed, encode(&default))? {
            Some(existing) => decode(py, existing),
            None => Ok(default),
        }
    }

    /// Removes every entry present when the call begins. Each removal is atomic; all together are
    /// not.
    ///
    /// Thread safety: shared.
    fn clear(&self) -> PyResult<()> {
        self.table.drain().map(drop).map_err(full)
    }

    /// Sets the value of `key` and returns the previous value, or None.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, value, /))]
    fn get_and_set<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.put(&Key::new(key)?, encode(value))? {
            Some(old) => decode(key.py(), old).map(Some),
            None => Ok(None),
        }
    }

    /// Sets the value of `key` to `new` if it is `expected`, and returns true if it was. Values
    /// match if they are the same object or, for exact ints, floats, strs and bytes, of the same
    /// type and value. `ABSENT` as `expected` means that the key is absent; as `new`, it removes
    /// the key.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, expected, new, /))]
    fn compare_and_set<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        expected: &Bound<'py, PyAny>,
        new: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let key = Key::new(key)?;
        let mut done = false;
        self.update(&key, |seen| {
            done = matches(seen, expected)?;
            if !done {
                return Ok(Decision::Keep(None));
            }
            Decision::from_result(new.clone())
        })?;
        Ok(done)
    }

    /// Removes `key` if its value is `expected`, in the sense of `compare_and_set`. Returns true if
    /// it did.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, expected, /))]
    fn remove<'py>(&self, key: &Bound<'py, PyAny>, expected: &Bound<'py, PyAny>) -> PyResult<bool> {
        let key = Key::new(key)?;
        let mut done = false;
        self.update(&key, |seen| {
            done = seen.is_some() && matches(seen, expected)?;
            Ok(if done { Decision::Remove } else { Decision::Keep(None) })
        })?;
        Ok(done)
    }

    /// Sets the value of `key` to `function(key, value)` and returns it. If the key is absent,
    /// `default` takes the place of the value. If the function returns `ABSENT`, the key is removed
    /// and None is returned.
    ///
    /// The function runs under no lock and is called again if another thread changes the value
    /// meanwhile: the stored value is always computed from the one it replaces.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, function, default = None, /))]
    fn compute<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.update(&Key::new(key)?, |seen| {
            Decision::from_result(function.call1((key, seen.or(default)))?)
        })
    }

    /// As `compute`, but does nothing and returns None if the key is absent.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, function, /))]
    fn compute_if_present<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.update(&Key::new(key)?, |seen| match seen {
            Some(value) => Decision::from_result(function.call1((key, value))?),
            None => Ok(Decision::Keep(None)),
        })
    }

    /// Sets the value of `key` to `value` if the key is absent, otherwise to `function(old,
    /// value)`, and returns it. As in `compute`, `ABSENT` removes the key and the function may be
    /// called again.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, value, function, /))]
    fn merge<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.update(&Key::new(key)?, |seen| match seen {
            Some(old) => Decision::from_result(function.call1((old, value))?),
            None => Decision::from_result(value.clone()),
        })
    }

    /// Returns the value of `key`, setting it to `function(key)` if the key is absent.
    ///
    /// The function is called once: other threads that ask for the key meanwhile sleep until it has
    /// finished. If it raises, the exception propagates here and one of the other threads calls its
    /// function. It runs under no lock; a value set by other means meanwhile stays and is returned.
    /// A function that asks for its own key, or threads that ask for each other's keys in a cycle,
    /// get RuntimeError.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, function, /))]
    fn compute_if_absent<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let hashed = Key::new(key)?;
        loop {
            if let Some(value) = self.find(&hashed, py)? {
                return Ok(value);
            }
            let Some(_latch) = self.latches.enter(&hashed)? else { continue };
            // The previous owner of the latch may have stored the value.
            if let Some(value) = self.find(&hashed, py)? {
                return Ok(value);
            }
            let value = function.call1((key,))?;
            return match self.insert_if_absent(&hashed, encode(&value))? {
                Some(existing) => decode(py, existing),
                None => Ok(value),
            };
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: `visit` exists only during `__traverse__`, while every other thread is stopped.
        unsafe {
            self.table.for_each(|key, value| {
                word::visit_word(key, visit)?;
                word::visit_word(value, visit)
            })
        }
    }

    fn __clear__(&self) {
        drop(self.table.drain());
    }
}
