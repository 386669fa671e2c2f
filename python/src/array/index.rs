//! What stands between the brackets: an index, from either end, or a slice.

#![allow(unsafe_code)]

use crate::object::compact;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PySlice, PySliceMethods};

/// The places that a slice names, in its order.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    start: isize,
    step: isize,
    pub(crate) len: usize,
}

impl Places {
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = usize> {
        (0..self.len).map(move |n| (self.start + n as isize * self.step) as usize)
    }
}

/// One place or several.
pub(crate) enum Index {
    /// As given: may be negative, or beyond the end.
    One(isize),
    Many(Places),
}

/// Reads an index; `len` is asked for only if it is a slice. `what` is the class, for the message.
#[inline]
pub(crate) fn index(
    index: &Bound<'_, PyAny>,
    what: &str,
    len: impl FnOnce() -> usize,
) -> PyResult<Index> {
    // SAFETY: alive while borrowed.
    if let Some(i) = unsafe { compact::int(index.as_ptr()) } {
        return Ok(Index::One(isize::try_from(i).map_err(|_| out_of_range(what))?));
    }
    if let Ok(slice) = index.cast::<PySlice>() {
        let found = slice.indices(isize::try_from(len()).unwrap_or(isize::MAX))?;
        return Ok(Index::Many(Places {
            start: found.start,
            step: found.step,
            len: found.slicelength,
        }));
    }
    one(index, what).map(Index::One)
}

/// Reads an index that is not a slice.
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

/// An index counted from the front, below `len`.
#[inline]
pub(crate) fn from_front(i: isize, len: usize, what: &str) -> PyResult<usize> {
    let place = if i < 0 { i.wrapping_add_unsigned(len) } else { i };
    match usize::try_from(place) {
        Ok(place) if place < len => Ok(place),
        _ => Err(out_of_range(what)),
    }
}

#[cold]
pub(crate) fn out_of_range(what: &str) -> PyErr {
    PyIndexError::new_err(format!("{what} index out of range"))
}

/// Equal as lists see it: the same object, or equal by `==`.
pub(crate) fn same(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    // SAFETY: both are alive while borrowed.
    match unsafe { ffi::PyObject_RichCompareBool(a.as_ptr(), b.as_ptr(), ffi::Py_EQ) } {
        -1 => Err(PyErr::fetch(a.py())),
        equal => Ok(equal == 1),
    }
}

/// Where `value` is, within what `index(value, start, stop)` means.
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

/// How many of the first `len` items are the same as `value`.
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

/// Whether one of them is.
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

/// How `repr` shows a row: whole if it is short, its ends and its length if it is not.
pub(crate) fn shown<'py>(
    len: usize,
    item: impl Fn(usize) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<String> {
    const WHOLE: usize = 1000;
    const END: usize = 5;
    let texts = |range: std::ops::Range<usize>| {
        let mut texts = Vec::new();
        for i in range {
            let Some(item) = item(i)? else { break };
            texts.push(item.repr()?.to_string());
        }
        PyResult::Ok(texts.join(", "))
    };
    if len <= WHOLE {
        return Ok(format!("[{}]", texts(0..len)?));
    }
    Ok(format!("[{}, ..., {}], length={len}", texts(0..END)?, texts(len - END..len)?))
}
