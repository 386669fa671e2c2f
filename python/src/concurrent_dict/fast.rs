//! Fast paths of `d[key]`, `d[key] = value`, `key in d` and `d.get(key)` for keys of common builtin
//! types, called directly by the interpreter. Reading a map takes a few dozen nanoseconds, and
//! PyO3's general way into and out of a method would take half of that. A type between [`Dict`] and
//! the Python class puts these functions into the interpreter's slots; all other cases fall back to
//! [`Dict`]'s own slots.

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

/// Runs `work` with the map and the key if the key is of a builtin type. Returns `None` if it is
/// not, or if the first key found with its hash is another one.
///
/// # Safety
/// Called by the interpreter through the type's slots: the thread is attached, and `map` is an
/// instance.
#[inline(always)]
unsafe fn with_builtin_key<R>(
    map: *mut PyObject,
    key: *mut PyObject,
    work: impl FnOnce(Python<'_>, &Dict, &Key<'_, '_>, &mut Search<Object>) -> Option<R>,
) -> Option<R> {
    // SAFETY: the caller's contract.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: both are borrowed from the caller for the call, and `map`'s type inherits from
    // `Dict`.
    let (map, key) = unsafe {
        (Borrowed::from_ptr(py, map).cast_unchecked::<Dict>(), Borrowed::from_ptr(py, key))
    };
    let key = Key::from_builtin(&key)?;
    work(py, map.get(), &key, &mut key.start())
}

/// Converts a word to a reference owned by the interpreter. Returns null with an exception set if
/// memory is short.
fn into_reference(py: Python<'_>, word: Word) -> *mut PyObject {
    match decode(py, word) {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// As for [`with_builtin_key`].
#[inline(always)]
unsafe fn find(map: *mut PyObject, key: *mut PyObject) -> Option<*mut PyObject> {
    let get = |py: Python<'_>, map: &Dict, key: &Key<'_, '_>, search: &mut Search<Object>| {
        map.table.get(key, search).ok().flatten().map(|value| into_reference(py, value))
    };
    // SAFETY: the caller's contract.
    unsafe { with_builtin_key(map, key, get) }
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
        let found = with_builtin_key(map, key, |_, map, key, search| {
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
        // The previous value is dropped after the search is over.
        let replaced = match value.is_null() {
            true => None,
            false => with_builtin_key(map, key, |py, map, key, search| {
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
        super::change::get_slow(map, *arguments, default)
    }
}

/// The docstring of `get`, with its signature in the interpreter's format.
const GET: &CStr =
    c"get($self, key, default=None, /)\n--\n\nReturns the value of `key`, or `default`.\n\nThread safety: atomic.";

/// Creates the type between `Dict` and the Python class.
pub(super) fn make(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let base = Dict::type_object(py);
    for (original, slot) in [
        (&SUBSCRIPT, ffi::Py_mp_subscript),
        (&ASSIGN, ffi::Py_mp_ass_subscript),
        (&CONTAINS, ffi::Py_sq_contains),
    ] {
        // SAFETY: a type, and slots that it has.
        original.store(unsafe { ffi::PyType_GetSlot(base.as_type_ptr(), slot) }, Ordering::Relaxed);
    }
    // Leaked: types keep pointers to their method definitions forever.
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
    // SAFETY: a valid specification, which is copied; returns a new reference, or null with an
    // exception set.
    unsafe {
        let made = ffi::PyType_FromSpecWithBases(&mut spec, base.as_ptr());
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}
