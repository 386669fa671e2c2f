//! `d[key]`, `d[key] = value`, `key in d` and `d.get(key)` for the keys that nearly everybody uses,
//! straight from the interpreter: reading a map takes a few dozen nanoseconds, of which the general
//! way into a method and out of it would be half. A type between [`Dict`] and the Python class puts
//! these in the interpreter's slots; whatever is not an everyday case goes on to [`Dict`]'s own.

#![allow(unsafe_code)]

use super::classes::Dict;
use super::key::Key;
use crate::object::{Object, Word, decode, encode};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{Borrowed, PyTypeInfo};
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use ungil_sync::table::Search;

/// [`Dict`]'s own slots.
static SUBSCRIPT: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static ASSIGN: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static CONTAINS: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Runs `work` with the map and an everyday key. Nothing if the key is none, or is not the one of
/// its hash that is found first.
///
/// # Safety
/// Called by the interpreter through the type's slots: attached, and `map` is an instance.
#[inline(always)]
unsafe fn everyday<R>(
    map: *mut PyObject,
    key: *mut PyObject,
    work: impl FnOnce(Python<'_>, &Dict, &Key<'_, '_>, &mut Search<Object>) -> Option<R>,
) -> Option<R> {
    // SAFETY: the caller's.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: both are borrowed from the caller for the call, and `map`'s type inherits from
    // `Dict`.
    let (map, key) = unsafe {
        (Borrowed::from_ptr(py, map).cast_unchecked::<Dict>(), Borrowed::from_ptr(py, key))
    };
    let key = Key::everyday(&key)?;
    work(py, map.get(), &key, &mut key.start())
}

/// A word's value as a reference that the interpreter gets: null with an exception if memory is
/// short.
fn give(py: Python<'_>, word: Word) -> *mut PyObject {
    match decode(py, word) {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// As [`everyday`].
#[inline(always)]
unsafe fn find(map: *mut PyObject, key: *mut PyObject) -> Option<*mut PyObject> {
    let get = |py: Python<'_>, map: &Dict, key: &Key<'_, '_>, search: &mut Search<Object>| {
        map.table.get(key, search).ok().flatten().map(|value| give(py, value))
    };
    // SAFETY: the caller's.
    unsafe { everyday(map, key, get) }
}

unsafe extern "C" fn subscript(map: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter; the slot is of this type.
    unsafe {
        find(map, key).unwrap_or_else(|| {
            std::mem::transmute::<*mut c_void, ffi::binaryfunc>(SUBSCRIPT.load(Ordering::Relaxed))(
                map, key,
            )
        })
    }
}

unsafe extern "C" fn contains(map: *mut PyObject, key: *mut PyObject) -> c_int {
    // SAFETY: as above.
    unsafe {
        let found = everyday(map, key, |_, map, key, search| {
            map.table.contains(key, search).ok().map(c_int::from)
        });
        found.unwrap_or_else(|| {
            std::mem::transmute::<*mut c_void, ffi::objobjproc>(CONTAINS.load(Ordering::Relaxed))(
                map, key,
            )
        })
    }
}

unsafe extern "C" fn assign(map: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int {
    // SAFETY: as above; `value` is null for `del`.
    unsafe {
        // What was there is dropped when the search is over.
        let replaced = match value.is_null() {
            true => None,
            false => everyday(map, key, |py, map, key, search| {
                let mut value = encode(&Borrowed::from_ptr(py, value));
                matches!(map.table.replace(key, search, &mut value), Ok(true)).then_some(value)
            }),
        };
        match replaced {
            Some(_) => 0,
            None => std::mem::transmute::<*mut c_void, ffi::objobjargproc>(
                ASSIGN.load(Ordering::Relaxed),
            )(map, key, value),
        }
    }
}

unsafe extern "C" fn get(
    map: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: ffi::Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: as above; there are `count` arguments.
    unsafe {
        if count != 1 && count != 2 {
            let message = c"get expected 1 or 2 arguments";
            ffi::PyErr_SetString(ffi::PyExc_TypeError, message.as_ptr());
            return std::ptr::null_mut();
        }
        if let Some(found) = find(map, *arguments) {
            return found;
        }
        let default = if count == 2 { *arguments.add(1) } else { ffi::Py_None() };
        super::change::get_slowly(map, *arguments, default)
    }
}

/// `get`'s docstring, with its signature as the interpreter reads it.
const GET: &CStr =
    c"get($self, key, default=None, /)\n--\n\nThe value of `key`, or `default`.\n\nThread safety: atomic.";

/// The type between.
pub(super) fn make(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let base = Dict::type_object(py);
    for (place, slot) in [
        (&SUBSCRIPT, ffi::Py_mp_subscript),
        (&ASSIGN, ffi::Py_mp_ass_subscript),
        (&CONTAINS, ffi::Py_sq_contains),
    ] {
        // SAFETY: a type, and slots that it has.
        place.store(unsafe { ffi::PyType_GetSlot(base.as_type_ptr(), slot) }, Ordering::Relaxed);
    }
    // Types keep their methods' definitions for ever.
    let methods = Box::leak(Box::new([
        ffi::PyMethodDef {
            ml_name: c"get".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: get },
            ml_flags: ffi::METH_FASTCALL,
            ml_doc: GET.as_ptr(),
        },
        ffi::PyMethodDef::zeroed(),
    ]));
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_mp_subscript, pfunc: subscript as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_mp_ass_subscript, pfunc: assign as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_sq_contains, pfunc: contains as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_methods, pfunc: methods.as_mut_ptr().cast() },
        ffi::PyType_Slot { slot: 0, pfunc: std::ptr::null_mut() },
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"ungil._ungil.FastDict".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: a valid specification, which is copied; a new reference or an exception comes back.
    unsafe {
        let made = ffi::PyType_FromSpecWithBases(&mut spec, base.as_ptr());
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}
