//! What can be done to one slot that holds any Python value: what `AtomicRef` is, and every place
//! of an `Array` or `AppendList`.
//!
//! A slot is empty only after the collector has cleared what it belongs to, or before it was first
//! filled. It then reads as `None`.

#![allow(unsafe_code)]

use crate::object::word::{self, as_object, borrow};
use crate::object::{Object, Word, decode, encode};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyString};
use ungil_sync::slot::Slot;

/// The value in a slot.
#[inline]
pub(crate) fn get<'py>(py: Python<'py>, slot: &Slot<Object>) -> PyResult<Bound<'py, PyAny>> {
    value(py, slot.load())
}

/// The value of a word; `None` for nothing.
#[inline]
pub(crate) fn value(py: Python<'_>, word: Option<Word>) -> PyResult<Bound<'_, PyAny>> {
    match word {
        Some(word) => decode(py, word),
        None => Ok(py.None().into_bound(py)),
    }
}

/// Puts a value in. What was there is dropped.
#[inline]
pub(crate) fn set(slot: &Slot<Object>, value: &Bound<'_, PyAny>) {
    drop(slot.swap(encode(value)));
}

/// Puts a value in and returns what was there.
#[inline]
pub(crate) fn swap<'py>(
    slot: &Slot<Object>,
    new: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    value(new.py(), slot.swap(encode(new)))
}

/// Puts `new` in if what is there equals `expected`: is the same object, or an exact int, float,
/// str or bytes of the same type and value.
pub(crate) fn compare_and_set(
    slot: &Slot<Object>,
    expected: &Bound<'_, PyAny>,
    new: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    loop {
        // Held until the exchange is over, so that the address cannot become another object's
        // meanwhile.
        let seen = slot.load();
        if !equals(seen.as_ref(), expected)? {
            return Ok(false);
        }
        if slot.compare_exchange(seen.as_ref(), encode(new)).is_ok() {
            return Ok(true);
        }
    }
}

/// Whether a word is what `compare_and_set` calls equal to `expected`. Runs no code of the user's.
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

/// Replaces what is there by `function` of it, which may be called more than once; returns what was
/// there and what is now.
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

/// As [`update`]; `None` stands for an empty slot.
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

/// `repr` of something that may hold itself: `shown` is not asked again on the way down.
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

/// The attributes that a subclass added, or `None`: for pickling.
pub(crate) fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match object.getattr_opt("__dict__")? {
        Some(attributes) if attributes.is_truthy()? => Ok(attributes),
        _ => Ok(object.py().None().into_bound(object.py())),
    }
}

/// Sets such attributes again.
pub(crate) fn set_attributes(
    object: &Bound<'_, PyAny>,
    attributes: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if !attributes.is_none() {
        object.getattr("__dict__")?.call_method1("update", (attributes,))?;
    }
    Ok(())
}

/// `Class[...]`, for annotations.
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
