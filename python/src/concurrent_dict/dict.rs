//! `ConcurrentDict`: its part in Rust.

#![allow(unsafe_code)]

use super::iterate::{Entries, Kind};
use super::key::{Key, Owned, expected};
use super::once::{self, Latches};
use super::{full, shards};
use crate::object::{Object, encode, word};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{Borrowed, ffi};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::table::{Outcome, Table};

pub(super) type Entry = (u64, u64);

/// The map.
#[pyclass(frozen, subclass, weakref, mapping, name = "Dict", module = "ungil._ungil")]
pub(crate) struct Dict {
    pub(super) table: Table<Object, Object>,
    latches: Latches,
}

/// Gives the counts of entries back.
pub(super) fn release(entries: impl IntoIterator<Item = Entry>) {
    for (key, value) in entries {
        drop((Owned::new(key), Owned::new(value)));
    }
}

/// `KeyError(key)`, also when the key is a tuple.
pub(super) fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    match PyTuple::new(key.py(), [key]) {
        Ok(arguments) => PyKeyError::new_err(arguments.unbind()),
        Err(error) => error,
    }
}

impl Dict {
    #[inline]
    fn find<'py>(&self, key: &Key<'_, 'py>, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match key.search(|key, search| self.table.get(key, search))? {
            0 => Ok(None),
            value => Owned::new(value).decode(py).map(Some),
        }
    }

    /// Puts a value in: what was there.
    fn put(&self, key: &Key<'_, '_>, value: Owned) -> PyResult<Option<Owned>> {
        let mut hunt = key.hunt();
        let word = value.word();
        loop {
            let old = hunt.run(|key, search| self.table.replace(key, search, word))?;
            if old != 0 {
                value.hand_out();
                return Ok(Some(Owned::new(old)));
            }
            let owned = key.own();
            if self.table.insert(&hunt.search, owned.word(), word).map_err(full)? {
                owned.hand_out();
                value.hand_out();
                return Ok(None);
            }
        }
    }

    /// Puts a value in if there is none: the value that was there.
    fn offer(&self, key: &Key<'_, '_>, value: Owned) -> PyResult<Option<Owned>> {
        let mut hunt = key.hunt();
        loop {
            let there = hunt.run(|key, search| self.table.get(key, search))?;
            if there != 0 {
                return Ok(Some(Owned::new(there)));
            }
            let owned = key.own();
            if self.table.insert(&hunt.search, owned.word(), value.word()).map_err(full)? {
                owned.hand_out();
                value.hand_out();
                return Ok(None);
            }
        }
    }

    /// Changes what is there from `old`, of which the caller holds a count (0: nothing), to `new` (none: nothing). False if something else is there.
    fn change(&self, key: &Key<'_, '_>, old: u64, new: Option<Owned>) -> PyResult<bool> {
        match new {
            Some(new) if old == 0 => Ok(self.offer(key, new)?.is_none()),
            None if old == 0 => Ok(!key.search(|key, search| self.table.contains(key, search))?),
            Some(new) => {
                let word = new.word();
                match key.search(|key, search| self.table.compare_exchange(key, search, old, word))? {
                    Outcome::Done(old) => {
                        new.hand_out();
                        drop(Owned::new(old));
                        Ok(true)
                    }
                    _ => Ok(false),
                }
            }
            None => match key.search(|key, search| self.table.remove(key, search, old))? {
                Outcome::Done(entry) => {
                    release([entry]);
                    Ok(true)
                }
                _ => Ok(false),
            },
        }
    }

    /// Has `decide` say what becomes of the value that is there, again and again until nothing has come in between.
    fn settle<'py>(
        &self,
        key: &Key<'_, 'py>,
        mut decide: impl FnMut(Option<&Bound<'py, PyAny>>) -> PyResult<Decision<'py>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.object().py();
        loop {
            let old = Owned::new(key.search(|key, search| self.table.get(key, search))?);
            let seen = match old.word() {
                0 => None,
                word => Some(look(py, word)?),
            };
            let (new, result) = match decide(seen.as_ref())? {
                Decision::Keep(result) => return Ok(result),
                Decision::Remove => (None, None),
                Decision::Store(new) => (Some(Owned::new(encode(&new))), Some(new)),
            };
            if self.change(key, old.word(), new)? {
                return Ok(result);
            }
            py.check_signals()?;
        }
    }
}

/// The value of a word that somebody else keeps.
fn look<'py>(py: Python<'py>, word: u64) -> PyResult<Bound<'py, PyAny>> {
    if word::is_object(word) {
        // SAFETY: kept alive by the caller.
        unsafe { crate::object::count::retain(word::address(word)) };
    }
    Owned::new(word).decode(py)
}

/// What is to become of a value.
enum Decision<'py> {
    Keep(Option<Bound<'py, PyAny>>),
    Remove,
    Store(Bound<'py, PyAny>),
}

impl<'py> Decision<'py> {
    /// What a user's function returned: `ABSENT` is for removing.
    fn of(result: Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(if once::is_absent(&result)? { Self::Remove } else { Self::Store(result) })
    }
}

#[pymethods]
impl Dict {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { table: Table::new(shards()), latches: Latches::default() }
    }

    #[pyo3(signature = (*_args, **_kwargs))]
    fn __init__(slf: &Bound<'_, Self>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) {
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

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = slf.get().find(&Key::new(key)?, key.py())? {
            return Ok(value);
        }
        // Only subclasses have it, and it is the class's, as for dict.
        match slf.get_type().getattr_opt(pyo3::intern!(key.py(), "__missing__"))? {
            Some(function) => function.call1((slf, key)),
            None => Err(missing(key)),
        }
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(&Key::new(key)?, Owned::new(encode(value))).map(drop)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        match Key::new(key)?.search(|key, search| self.table.remove(key, search, 0))? {
            Outcome::Done(entry) => {
                release([entry]);
                Ok(())
            }
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
        for (key, value) in self.owned(index)? {
            list.append((key.decode(py)?, value.decode(py)?))?;
        }
        Ok(list)
    }

    /// A plain dict of what is there.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for index in 0..self.table.shards() {
            for (key, value) in self.owned(index)? {
                dict.set_item(key.decode(py)?, value.decode(py)?)?;
            }
        }
        Ok(dict)
    }

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
        match Key::new(key)?.search(|key, search| self.table.remove(key, search, 0))? {
            Outcome::Done((stored, value)) => {
                drop(Owned::new(stored));
                Owned::new(value).decode(key.py())
            }
            _ if default.is_empty() => Err(missing(key)),
            _ => default.get_item(0),
        }
    }

    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        // Threads begin at different parts, so that they do not all pull at one entry.
        let (key, value) = self
            .table
            .pop(ungil_sync::stripe::thread_number())
            .ok_or_else(|| PyKeyError::new_err("popitem(): dictionary is empty"))?;
        let (key, value) = (Owned::new(key), Owned::new(value));
        Ok((key.decode(py)?, value.decode(py)?))
    }

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
        match self.offer(&hashed, Owned::new(encode(&default)))? {
            Some(there) => there.decode(py),
            None => Ok(default),
        }
    }

    fn clear(&self) -> PyResult<()> {
        release(self.table.drain().map_err(full)?);
        Ok(())
    }

    #[pyo3(signature = (key, value, /))]
    fn get_and_set<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.put(&Key::new(key)?, Owned::new(encode(value)))? {
            Some(old) => old.decode(key.py()).map(Some),
            None => Ok(None),
        }
    }

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
            done = self::matches(seen, expected)?;
            if !done {
                return Ok(Decision::Keep(None));
            }
            Decision::of(new.clone())
        })?;
        Ok(done)
    }

    /// Removes the key if its value is `expected`.
    #[pyo3(signature = (key, expected, /))]
    fn remove<'py>(&self, key: &Bound<'py, PyAny>, expected: &Bound<'py, PyAny>) -> PyResult<bool> {
        let key = Key::new(key)?;
        let mut done = false;
        self.settle(&key, |seen| {
            done = seen.is_some() && self::matches(seen, expected)?;
            Ok(if done { Decision::Remove } else { Decision::Keep(None) })
        })?;
        Ok(done)
    }

    #[pyo3(signature = (key, function, default = None, /))]
    fn compute<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.settle(&Key::new(key)?, |seen| Decision::of(function.call1((key, seen.or(default)))?))
    }

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
            return match self.offer(&hashed, Owned::new(encode(&value)))? {
                Some(there) => there.decode(py),
                None => Ok(value),
            };
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.table.each(|key, value| {
            word::visit(key, visit)?;
            word::visit(value, visit)
        })
    }

    fn __clear__(&self) {
        if let Ok(entries) = self.table.drain() {
            release(entries);
        }
    }
}

fn matches(seen: Option<&Bound<'_, PyAny>>, wanted: &Bound<'_, PyAny>) -> PyResult<bool> {
    match seen {
        Some(value) => expected(value, wanted),
        None => once::is_absent(wanted),
    }
}

/// `get` for any key, from the interpreter.
///
/// # Safety
/// Attached; all three are borrowed for the call, and `map` is an instance.
#[cold]
pub(super) unsafe fn get_slowly(
    map: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    default: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    Python::attach(|py| {
        // SAFETY: the caller's.
        let (map, key, default) = unsafe {
            (
                Borrowed::from_ptr(py, map).cast_unchecked::<Dict>(),
                Borrowed::from_ptr(py, key),
                Borrowed::from_ptr(py, default),
            )
        };
        match Key::new(&key).and_then(|key| map.get().find(&key, py)) {
            Ok(found) => found.map_or_else(|| default.to_owned(), |found| found).into_ptr(),
            Err(error) => {
                error.restore(py);
                std::ptr::null_mut()
            }
        }
    })
}

impl Dict {
    fn owned(&self, index: usize) -> PyResult<Vec<(Owned, Owned)>> {
        let entries = self.table.entries(index).map_err(full)?;
        Ok(entries.into_iter().map(|(key, value)| (Owned::new(key), Owned::new(value))).collect())
    }
}
