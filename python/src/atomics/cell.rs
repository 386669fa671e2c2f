//! Operations on one slot that holds any Python value: an `AtomicRef`, or a slot of an `Array` or
//! `AppendList`.
//!
//! A slot is empty only before it was first filled and after the collector has cleared its owner.
//! It then reads as `None`.

#![allow(unsafe_code)]

use crate::object::word::{self, as_object, borrow};
use crate::object::{Object, Word, decode, encode};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyString};
use ungil_sync::slot::Slot;

/// Returns the value in a slot.
#[inline]
pub(crate) fn get<'py>(py: Python<'py>, slot: &Slot<Object>) -> PyResult<Bound<'py, PyAny>> {
    value(py, slot.load())
}

/// Returns the value of a word, or Python's `None` if there is none.
#[inline]
pub(crate) fn value(py: Python<'_>, word: Option<Word>) -> PyResult<Bound<'_, PyAny>> {
    match word {
        Some(word) => decode(py, word),
        None => Ok(py.None().into_bound(py)),
    }
}

/// Stores a value and drops the previous one.
#[inline]
pub(crate) fn set(slot: &Slot<Object>, value: &Bound<'_, PyAny>) {
    drop(slot.swap(encode(value)));
}

/// Stores a value and returns the previous one.
#[inline]
pub(crate) fn swap<'py>(
    slot: &Slot<Object>,
    new: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    value(new.py(), slot.swap(encode(new)))
}

/// Stores `new` if the value equals `expected`: the same object, or an exact int, float, str or
/// bytes of the same type and value.
pub(crate) fn compare_and_set(
    slot: &Slot<Object>,
    expected: &Bound<'_, PyAny>,
    new: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    loop {
        // Held until the exchange is over, so that its address cannot be reused for another object.
        let seen = slot.load();
        if !equals(seen.as_ref(), expected)? {
            return Ok(false);
        }
        if slot.compare_exchange(seen.as_ref(), encode(new)).is_ok() {
            return Ok(true);
        }
    }
}

/// Returns true if a word equals `expected` in the sense of `compare_and_set`. Runs no user code.
fn equals(seen: Option<&Word>, expected: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(seen) = seen else { return Ok(expected.is_none()) };
    let Some(seen) = as_object(expected.py(), seen) else {
        return Ok(word::unboxed(expected) == Some(seen.as_raw()));
    };
    if seen.is(expected) {
        return Ok(true);
    }
    if let (Ok(a), Ok(b)) = (seen.cast_exact::<PyFloat>(), expected.cast_exact::<PyFloat>()) {
        return Ok(a.value().to_bits() == b.value().to_bits());
    }
    let plain = |v: &Bound<'_, PyAny>| {
        v.is_exact_instance_of::<PyInt>()
            || v.is_exact_instance_of::<PyString>()
            || v.is_exact_instance_of::<PyBytes>()
    };
    if !plain(&seen) || !seen.get_type().is(expected.get_type()) {
        return Ok(false);
    }
    seen.eq(expected)
}

/// Replaces the value by `function(value)`, which may be called more than once. Returns the old and
/// the new value.
pub(crate) fn update<'py>(
    slot: &Slot<Object>,
    function: &Bound<'py, PyAny>,
) -> PyResult<(Option<Word>, Bound<'py, PyAny>)> {
    let py = function.py();
    replace(py, slot, |old| match old {
        Some(old) => function.call1((old,)),
        None => function.call1((py.None(),)),
    })
}

/// As [`update`], with `None` for an empty slot.
pub(crate) fn replace<'py>(
    py: Python<'py>,
    slot: &Slot<Object>,
    next: impl Fn(Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<(Option<Word>, Bound<'py, PyAny>)> {
    loop {
        // Held until the exchange is over, as in `compare_and_set`.
        let seen = slot.load();
        let new = match &seen {
            Some(seen) => match as_object(py, seen) {
                Some(object) => next(Some(&object)),
                None => next(Some(&borrow(py, seen)?)),
            },
            None => next(None),
        }?;
        if slot.compare_exchange(seen.as_ref(), encode(&new)).is_ok() {
            return Ok((seen, new));
        }
    }
}

/// Runs `shown` to produce a `repr` of an object that may contain itself, and returns "..." for the
/// inner occurrence.
pub(crate) fn repr(
    object: &Bound<'_, PyAny>,
    shown: impl FnOnce() -> PyResult<String>,
) -> PyResult<String> {
    // SAFETY: alive while borrowed.
    match unsafe { ffi::Py_ReprEnter(object.as_ptr()) } {
        0 => {
            let text = shown();
            // SAFETY: entered above.
            unsafe { ffi::Py_ReprLeave(object.as_ptr()) };
            text
        }
        1.. => Ok("...".to_owned()),
        _ => Err(PyErr::fetch(object.py())),
    }
}

/// Returns the attributes that a subclass added, or `None`, for pickling.
pub(crate) fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match object.getattr_opt("__dict__")? {
        Some(attributes) if attributes.is_truthy()? => Ok(attributes),
        _ => Ok(object.py().None().into_bound(object.py())),
    }
}

/// Restores the attributes returned by [`attributes`].
pub(crate) fn set_attributes(
    object: &Bound<'_, PyAny>,
    attributes: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if !attributes.is_none() {
        object.getattr("__dict__")?.call_method1("update", (attributes,))?;
    }
    Ok(())
}

/// Returns `Class[...]`, for annotations.
pub(crate) fn generic<'py>(
    class: &Bound<'py, pyo3::types::PyType>,
    item: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: both are alive; a new reference, or null with an exception set.
    unsafe {
        Bound::from_owned_ptr_or_err(
            class.py(),
            ffi::Py_GenericAlias(class.as_ptr(), item.as_ptr()),
        )
    }
}
