//! What `ConcurrentDict`'s methods are made of: finding, putting, and changing what is there from one thing to another.

#![allow(unsafe_code)]

use super::dict::{Dict, release};
use super::full;
use super::key::{Key, Owned, expected};
use super::once;
use crate::object::{encode, word};
use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};
use ungil_sync::table::Outcome;

impl Dict {
    #[inline]
    pub(super) fn find<'py>(
        &self,
        key: &Key<'_, 'py>,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match key.search(|key, search| self.table.get(key, search))? {
            0 => Ok(None),
            value => Owned::new(value).decode(py).map(Some),
        }
    }

    /// Puts a value in: what was there.
    pub(super) fn put(&self, key: &Key<'_, '_>, value: Owned) -> PyResult<Option<Owned>> {
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
    pub(super) fn offer(&self, key: &Key<'_, '_>, value: Owned) -> PyResult<Option<Owned>> {
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
    pub(super) fn settle<'py>(
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
pub(super) enum Decision<'py> {
    Keep(Option<Bound<'py, PyAny>>),
    Remove,
    Store(Bound<'py, PyAny>),
}

impl<'py> Decision<'py> {
    /// What a user's function returned: `ABSENT` is for removing.
    pub(super) fn of(result: Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(if once::is_absent(&result) { Self::Remove } else { Self::Store(result) })
    }
}

pub(super) fn matches(seen: Option<&Bound<'_, PyAny>>, wanted: &Bound<'_, PyAny>) -> PyResult<bool> {
    match seen {
        Some(value) => expected(value, wanted),
        None => Ok(once::is_absent(wanted)),
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
            Ok(found) => found.unwrap_or_else(|| default.to_owned()).into_ptr(),
            Err(error) => {
                error.restore(py);
                std::ptr::null_mut()
            }
        }
    })
}

impl Dict {
    pub(super) fn owned(&self, index: usize) -> PyResult<Vec<(Owned, Owned)>> {
        let entries = self.table.entries(index).map_err(full)?;
        Ok(entries.into_iter().map(|(key, value)| (Owned::new(key), Owned::new(value))).collect())
    }
}
