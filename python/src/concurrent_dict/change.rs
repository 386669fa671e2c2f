//! The operations from which `ConcurrentDict`'s methods are built: lookup, insertion and
//! conditional change.

#![allow(unsafe_code)]

use super::classes::{Dict, full};
use super::key::{Key, expected};
use super::once;
use crate::object::word::borrow;
use crate::object::{Word, decode, encode};
use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};
use ungil_sync::table::UpdateOutcome;

impl Dict {
    #[inline]
    pub(super) fn find<'py>(
        &self,
        key: &Key<'_, 'py>,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = key.search(|key, search| self.table.get(key, search))?;
        found.map(|value| decode(py, value)).transpose()
    }

    /// Sets the key's value. Returns the previous one.
    pub(super) fn put(&self, key: &Key<'_, '_>, mut value: Word) -> PyResult<Option<Word>> {
        let mut search = key.key_search();
        loop {
            if search.run(|key, search| self.table.replace(key, search, &mut value))? {
                return Ok(Some(value));
            }
            match self.table.insert(&search.search, key.own(), value).map_err(full)? {
                Some(again) => value = again,
                None => return Ok(None),
            }
        }
    }

    /// Inserts a value if the key is absent. Returns the existing value otherwise.
    pub(super) fn insert_if_absent(
        &self,
        key: &Key<'_, '_>,
        mut value: Word,
    ) -> PyResult<Option<Word>> {
        let mut search = key.key_search();
        loop {
            let existing = search.run(|key, search| self.table.get(key, search))?;
            if existing.is_some() {
                return Ok(existing);
            }
            match self.table.insert(&search.search, key.own(), value).map_err(full)? {
                Some(again) => value = again,
                None => return Ok(None),
            }
        }
    }

    /// Changes the key's value from `old` to `new`, where `None` means absent. Returns false if the
    /// key has another value.
    fn change(&self, key: &Key<'_, '_>, old: Option<&Word>, new: Option<Word>) -> PyResult<bool> {
        match (old, new) {
            (None, None) => Ok(!key.search(|key, search| self.table.contains(key, search))?),
            (None, Some(new)) => Ok(self.insert_if_absent(key, new)?.is_none()),
            (Some(old), Some(mut new)) => {
                let done = key.search(|key, search| {
                    self.table.compare_exchange(key, search, old, &mut new)
                })?;
                Ok(matches!(done, UpdateOutcome::Done(())))
            }
            (Some(_), None) => {
                let done = key.search(|key, search| self.table.remove(key, search, old))?;
                Ok(matches!(done, UpdateOutcome::Done(_)))
            }
        }
    }

    /// Applies the decision of `decide` about the key's current value. Repeats if another thread
    /// changed the value in between.
    pub(super) fn update<'py>(
        &self,
        key: &Key<'_, 'py>,
        mut decide: impl FnMut(Option<&Bound<'py, PyAny>>) -> PyResult<Decision<'py>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.object().py();
        loop {
            let old = key.search(|key, search| self.table.get(key, search))?;
            let seen = old.as_ref().map(|old| borrow(py, old)).transpose()?;
            let (new, result) = match decide(seen.as_ref())? {
                Decision::Keep(result) => return Ok(result),
                Decision::Remove => (None, None),
                Decision::Store(new) => (Some(encode(&new)), Some(new)),
            };
            if self.change(key, old.as_ref(), new)? {
                return Ok(result);
            }
            py.check_signals()?;
        }
    }
}

/// What to do with a key's value.
pub(super) enum Decision<'py> {
    Keep(Option<Bound<'py, PyAny>>),
    Remove,
    Store(Bound<'py, PyAny>),
}

impl<'py> Decision<'py> {
    /// Interprets the result of a user's function: `ABSENT` removes the key.
    pub(super) fn from_result(result: Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(if once::is_absent(&result) { Self::Remove } else { Self::Store(result) })
    }
}

pub(super) fn matches(
    seen: Option<&Bound<'_, PyAny>>,
    wanted: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    match seen {
        Some(value) => expected(value, wanted),
        None => Ok(once::is_absent(wanted)),
    }
}

/// Implements `get` for any key, called by the interpreter.
///
/// # Safety
/// The thread is attached; all three pointers are borrowed for the call, and `map` is an instance.
#[cold]
pub(super) unsafe fn get_slow(
    map: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    default: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    Python::attach(|py| {
        // SAFETY: the caller's contract.
        let (map, key, default) = unsafe {
            (
                Borrowed::from_ptr(py, map).cast_unchecked::<Dict>(),
                Borrowed::from_ptr(py, key),
                Borrowed::from_ptr(py, default),
            )
        };
        match Key::new(&key).and_then(|key| map.get().find(&key, py)) {
            Ok(found) => found.unwrap_or_else(|| default.to_owned()).into_ptr(),
            Err(error) => {
                error.restore(py);
                std::ptr::null_mut()
            }
        }
    })
}
