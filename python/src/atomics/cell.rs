//! What can be done to one slot that holds any Python value: what `AtomicRef` is, and every place of an `Array` or `AppendList`.
//!
//! A slot is empty (0) only after the collector has cleared what it belongs to, or before it was first filled. It then reads as `None`.

#![allow(unsafe_code)]

use crate::object::word::{self, is_object};
use crate::object::{Object, decode, encode};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyString};
use std::mem::ManuallyDrop;
use ungil_sync::slot::{Counted, Slot};

/// The value in a slot.
#[inline]
pub(crate) fn get<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Bound<'py, PyAny>> {
    own(py, slot.load::<Object>())
}

/// The value of a word whose count is the caller's.
#[inline]
fn own(py: Python<'_>, word: u64) -> PyResult<Bound<'_, PyAny>> {
    if word == 0 {
        return Ok(py.None().into_bound(py));
    }
    // SAFETY: the count is ours, and the word is not 0.
    unsafe { decode(py, word) }
}

/// The value in a slot, unless it is empty.
pub(crate) fn get_if_any<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Option<Bound<'py, PyAny>>> {
    match slot.load::<Object>() {
        0 => Ok(None),
        word => own(py, word).map(Some),
    }
}

/// Takes the value out of a slot, unless it is empty.
pub(crate) fn take_if_any<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Option<Bound<'py, PyAny>>> {
    match slot.swap(0) {
        0 => Ok(None),
        word => own(py, word).map(Some),
    }
}

/// Puts a value in. What was there is dropped.
#[inline]
pub(crate) fn set(slot: &Slot, value: &Bound<'_, PyAny>) {
    drop_word(slot.swap(encode(value)));
}

/// Puts a value in and returns what was there.
#[inline]
pub(crate) fn swap<'py>(slot: &Slot, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    own(value.py(), slot.swap(encode(value)))
}

/// Drops a word's count, which is the caller's.
#[inline]
pub(crate) fn drop_word(word: u64) {
    // SAFETY: by the caller. (0 has no count.)
    unsafe { Object::release(word) };
}

/// A word and its count.
struct Held(u64);

impl Drop for Held {
    fn drop(&mut self) {
        drop_word(self.0);
    }
}

/// Puts `new` in if what is there equals `expected`: is the same object, or an exact int, float, str or bytes of the same type and value.
pub(crate) fn compare_and_set(
    slot: &Slot,
    expected: &Bound<'_, PyAny>,
    new: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    loop {
        // Held until the exchange is over, so that the address cannot become another object's meanwhile.
        let seen = Held(slot.load::<Object>());
        if !equals(seen.0, expected)? {
            return Ok(false);
        }
        let word = encode(new);
        match slot.compare_exchange(seen.0, word) {
            Ok(old) => {
                drop_word(old);
                return Ok(true);
            }
            Err(_) => drop_word(word),
        }
    }
}

/// Whether a held word is what `compare_and_set` calls equal to `expected`. Runs no code of the user's.
fn equals(seen: u64, expected: &Bound<'_, PyAny>) -> PyResult<bool> {
    if seen == 0 {
        return Ok(expected.is_none());
    }
    if !is_object(seen) {
        return Ok(word::unboxed(expected.as_ptr()) == Some(seen));
    }
    if word::address(seen) == expected.as_ptr() {
        return Ok(true);
    }
    // SAFETY: the caller holds the word's count, and `ManuallyDrop` leaves it alone.
    let seen = ManuallyDrop::new(unsafe { Bound::from_owned_ptr(expected.py(), word::address(seen)) });
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

/// Replaces what is there by `function` of it, which may be called more than once; returns what was there and what is now.
pub(crate) fn update<'py>(
    slot: &Slot,
    function: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = function.py();
    replace(py, slot, |old| match old {
        Some(old) => function.call1((old,)),
        None => function.call1((py.None(),)),
    })
}

/// As [`update`]; `None` stands for an empty slot.
pub(crate) fn replace<'py>(
    py: Python<'py>,
    slot: &Slot,
    next: impl Fn(Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    loop {
        let seen = slot.load::<Object>();
        // Holds the word's count until the exchange is over.
        let old = own(py, seen)?;
        let new = next((seen != 0).then_some(&old))?;
        let word = encode(&new);
        match slot.compare_exchange(seen, word) {
            Ok(taken) => {
                drop_word(taken);
                return Ok((old, new));
            }
            Err(_) => drop_word(word),
        }
    }
}

/// `repr` of something that may hold itself: `shown` is not asked again on the way down.
pub(crate) fn repr(object: &Bound<'_, PyAny>, shown: impl FnOnce() -> PyResult<String>) -> PyResult<String> {
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
pub(crate) fn set_attributes(object: &Bound<'_, PyAny>, attributes: &Bound<'_, PyAny>) -> PyResult<()> {
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
    unsafe { Bound::from_owned_ptr_or_err(class.py(), ffi::Py_GenericAlias(class.as_ptr(), item.as_ptr())) }
}
