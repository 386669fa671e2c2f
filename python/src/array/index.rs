//! The key of a subscription: an index, which may be negative, or a slice.

#![allow(unsafe_code)]

use crate::object::compact;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PySlice, PySliceMethods};

/// The indices selected by a slice, in its order.
#[derive(Clone, Copy)]
pub(crate) struct SliceIndices {
    start: isize,
    step: isize,
    pub(crate) len: usize,
}

impl SliceIndices {
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = usize> {
        (0..self.len).map(move |n| (self.start + n as isize * self.step) as usize)
    }
}

/// A subscription key.
pub(crate) enum Index {
    /// As given: may be negative or out of range.
    Single(isize),
    Slice(SliceIndices),
}

/// Reads a key. Calls `len` only if it is a slice. `what` is the class name, for messages.
#[inline]
pub(crate) fn index(
    index: &Bound<'_, PyAny>,
    what: &str,
    len: impl FnOnce() -> usize,
) -> PyResult<Index> {
    // SAFETY: alive while borrowed.
    if let Some(i) = unsafe { compact::int(index.as_ptr()) } {
        return Ok(Index::Single(isize::try_from(i).map_err(|_| out_of_range(what))?));
    }
    if let Ok(slice) = index.cast::<PySlice>() {
        let found = slice.indices(isize::try_from(len()).unwrap_or(isize::MAX))?;
        return Ok(Index::Slice(SliceIndices {
            start: found.start,
            step: found.step,
            len: found.slicelength,
        }));
    }
    one(index, what).map(Index::Single)
}

/// Reads a key that must be an index.
#[inline]
pub(crate) fn one(index: &Bound<'_, PyAny>, what: &str) -> PyResult<isize> {
    // SAFETY: alive while borrowed.
    let i = unsafe { ffi::PyNumber_AsSsize_t(index.as_ptr(), ffi::PyExc_IndexError) };
    if i == -1
        && let Some(error) = PyErr::take(index.py())
    {
        return Err(if error.is_instance_of::<PyTypeError>(index.py()) {
            let given = index.get_type().name()?;
            PyTypeError::new_err(format!("{what} indices must be integers or slices, not {given}"))
        } else {
            error
        });
    }
    Ok(i)
}

/// Converts an index to one counted from the front. Fails if it is out of range.
#[inline]
pub(crate) fn from_front(i: isize, len: usize, what: &str) -> PyResult<usize> {
    let index = if i < 0 { i.wrapping_add_unsigned(len) } else { i };
    match usize::try_from(index) {
        Ok(index) if index < len => Ok(index),
        _ => Err(out_of_range(what)),
    }
}

#[cold]
pub(crate) fn out_of_range(what: &str) -> PyErr {
    PyIndexError::new_err(format!("{what} index out of range"))
}

/// Compares as lists do: identity first, then `==`.
pub(crate) fn same(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    // SAFETY: both are alive while borrowed.
    match unsafe { ffi::PyObject_RichCompareBool(a.as_ptr(), b.as_ptr(), ffi::Py_EQ) } {
        -1 => Err(PyErr::fetch(a.py())),
        equal => Ok(equal == 1),
    }
}

/// Returns the first index of `value`, with the bounds of `index(value, start, stop)`.
pub(crate) fn find<'py>(
    value: &Bound<'py, PyAny>,
    (start, stop): (isize, isize),
    len: usize,
    what: &str,
    item: impl Fn(usize) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<usize> {
    let clamp = |i: isize| {
        if i < 0 { i.saturating_add_unsigned(len).max(0) as usize } else { (i as usize).min(len) }
    };
    for i in clamp(start)..clamp(stop) {
        let Some(found) = item(i)? else { break };
        if same(&found, value)? {
            return Ok(i);
        }
    }
    Err(pyo3::exceptions::PyValueError::new_err(format!("value is not in the {what}")))
}

/// Returns how many of the first `len` items equal `value`.
pub(crate) fn count<'py>(
    value: &Bound<'py, PyAny>,
    len: usize,
    item: impl Fn(usize) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<usize> {
    (0..len).try_fold(0, |count, i| {
        let found = item(i)?;
        Ok(count + usize::from(found.map_or(Ok(false), |found| same(&found, value))?))
    })
}

/// Returns true if one of the first `len` items equals `value`.
pub(crate) fn contains<'py>(
    value: &Bound<'py, PyAny>,
    len: usize,
    item: impl Fn(usize) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<bool> {
    for i in 0..len {
        if let Some(found) = item(i)?
            && same(&found, value)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Formats the items for `repr`: all of them, or the first and last ones and the length if there
/// are many.
pub(crate) fn repr_items<'py>(
    len: usize,
    item: impl Fn(usize) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<String> {
    const MAX_COMPLETE: usize = 1000;
    const SHOWN_AT_ENDS: usize = 5;
    let texts = |range: std::ops::Range<usize>| {
        let mut texts = Vec::new();
        for i in range {
            let Some(item) = item(i)? else { break };
            texts.push(item.repr()?.to_string());
        }
        PyResult::Ok(texts.join(", "))
    };
    if len <= MAX_COMPLETE {
        return Ok(format!("[{}]", texts(0..len)?));
    }
    Ok(format!(
        "[{}, ..., {}], length={len}",
        texts(0..SHOWN_AT_ENDS)?,
        texts(len - SHOWN_AT_ENDS..len)?
    ))
}
