//! `ConcurrentDict`: its part in Rust.

#![allow(unsafe_code)]

use super::change::{Decision, matches};
use super::classes::{Dict, full, missing, shards};
use super::iterate::{Entries, Kind};
use super::key::Key;
use super::once::Latches;
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
        Self { table: Table::new(shards()), latches: Latches::default() }
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
        // Only subclasses have it, and it is the class's, as for dict.
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
        Entries::of_dict(slf, Kind::Keys)
    }

    fn _values(slf: &Bound<'_, Self>) -> Entries {
        Entries::of_dict(slf, Kind::Values)
    }

    fn _items(slf: &Bound<'_, Self>) -> Entries {
        Entries::of_dict(slf, Kind::Items)
    }

    fn _shards(&self) -> usize {
        self.table.shards()
    }

    /// The entries of one part.
    fn _shard<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        if index >= self.table.shards() {
            return Err(pyo3::exceptions::PyIndexError::new_err("there is no such part"));
        }
        let list = PyList::empty(py);
        for (key, value) in self.table.entries(index).map_err(full)? {
            list.append((decode(py, key)?, decode(py, value)?))?;
        }
        Ok(list)
    }

    /// A plain dict of the entries.
    ///
    /// Every key that is there during the whole call is in it, with a value that it had during the
    /// call. It is not a picture of one moment: of two changes made while it runs, the later may be
    /// in it and the earlier not.
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

    /// Removes `key` and returns its value, or `default`; without one raises KeyError.
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

    /// Removes any one entry and returns it as a pair; raises KeyError if none is found. There is
    /// no order.
    ///
    /// Thread safety: atomic.
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        // Threads begin at different parts, so that they do not all pull at one entry.
        let (key, value) = self
            .table
            .pop(ungil_sync::stripe::thread_number())
            .ok_or_else(|| PyKeyError::new_err("popitem(): dictionary is empty"))?;
        Ok((decode(py, key)?, decode(py, value)?))
    }

    /// The value of `key`; if there is none, `default` becomes it. Of several threads, one gives
    /// the value, and all get that.
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
        match self.offer(&hashed, encode(&default))? {
            Some(there) => decode(py, there),
            None => Ok(default),
        }
    }

    /// Removes every entry that is there when it begins. Each goes in one step, all of them do not.
    ///
    /// Thread safety: shared.
    fn clear(&self) -> PyResult<()> {
        self.table.drain().map(drop).map_err(full)
    }

    /// Sets the value of `key` and returns what it was, or None.
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

    /// Sets the value of `key` to `new` if it is `expected`, and says whether it was: if it is the
    /// same object or, for exact ints, floats, strings and bytes, one of the same type and value.
    /// `ABSENT` as `expected` stands for a key that is not there; as `new`, it removes.
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
        self.settle(&key, |seen| {
            done = matches(seen, expected)?;
            if !done {
                return Ok(Decision::Keep(None));
            }
            Decision::of(new.clone())
        })?;
        Ok(done)
    }

    /// Removes `key` if its value is `expected`, in the sense of `compare_and_set`, and says
    /// whether it did.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, expected, /))]
    fn remove<'py>(&self, key: &Bound<'py, PyAny>, expected: &Bound<'py, PyAny>) -> PyResult<bool> {
        let key = Key::new(key)?;
        let mut done = false;
        self.settle(&key, |seen| {
            done = seen.is_some() && matches(seen, expected)?;
            Ok(if done { Decision::Remove } else { Decision::Keep(None) })
        })?;
        Ok(done)
    }

    /// Sets the value of `key` to `function(key, value)` and returns it; `default` stands for the
    /// value if there is none. If the function returns `ABSENT`, the key is removed, and None
    /// returned.
    ///
    /// The function runs under no lock, and is called again if another thread changes the value
    /// meanwhile: what is stored was always made of the value it replaces.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, function, default = None, /))]
    fn compute<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.settle(&Key::new(key)?, |seen| Decision::of(function.call1((key, seen.or(default)))?))
    }

    /// As `compute`, but does nothing and returns None if the key is not there.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, function, /))]
    fn compute_if_present<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.settle(&Key::new(key)?, |seen| match seen {
            Some(value) => Decision::of(function.call1((key, value))?),
            None => Ok(Decision::Keep(None)),
        })
    }

    /// Sets the value of `key` to `value` if there is none, else to `function(old, value)`, and
    /// returns it. `ABSENT` removes, and the function may be called again, as in `compute`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (key, value, function, /))]
    fn merge<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.settle(&Key::new(key)?, |seen| match seen {
            Some(old) => Decision::of(function.call1((old, value))?),
            None => Decision::of(value.clone()),
        })
    }

    /// The value of `key`; if there is none, `function(key)` becomes it.
    ///
    /// The function is called once: other threads that ask for the key meanwhile sleep until it is
    /// done. If it raises, that is raised here, and one of the others tries. It runs under no lock;
    /// a value that it, or another thread, sets by other means meanwhile stays, and is returned. A
    /// function that asks for its own key, or threads that ask for each other's in a circle, get
    /// RuntimeError.
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
            // Whoever held the latch before may have made it.
            if let Some(value) = self.find(&hashed, py)? {
                return Ok(value);
            }
            let value = function.call1((key,))?;
            return match self.offer(&hashed, encode(&value))? {
                Some(there) => decode(py, there),
                None => Ok(value),
            };
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: `visit` exists only here, when every other thread stands still.
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
