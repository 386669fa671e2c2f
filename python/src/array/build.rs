//! An `Array` made from what it is given: a length, or items.

#![allow(unsafe_code)]

use super::store::{Kind, Store, no_memory};
use crate::object::{Object, encode};
use pyo3::PyTypeInfo;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::sync::atomic::Ordering;
use ungil_sync::slot::Slot;

/// What `Array(items, type, fill=...)` makes.
pub(super) fn build(
    items: &Bound<'_, PyAny>,
    kind: Kind,
    fill: Option<&Bound<'_, PyAny>>,
) -> PyResult<Store> {
    // SAFETY: alive while borrowed.
    if unsafe { ffi::PyIndex_Check(items.as_ptr()) } != 0 {
        // SAFETY: as above.
        let len = unsafe { ffi::PyNumber_AsSsize_t(items.as_ptr(), ffi::PyExc_OverflowError) };
        if len == -1
            && let Some(error) = PyErr::take(items.py())
        {
            return Err(error);
        }
        let len = usize::try_from(len).map_err(|_| {
            PyValueError::new_err(format!("the length of an Array is 0 or more, not {len}"))
        })?;
        return Store::filled(items.py(), kind, len, fill);
    }
    if fill.is_some() {
        return Err(PyTypeError::new_err(
            "fill goes with a length: Array(1000, fill=0); these are items",
        ));
    }
    match kind {
        Kind::Objects => objects(items).map(Store::Objects),
        _ => numbers(items, kind),
    }
}

fn objects(items: &Bound<'_, PyAny>) -> PyResult<Vec<Slot<Object>>> {
    let hint = items.len().or_else(|_| {
        PyErr::take(items.py());
        PyResult::Ok(0)
    })?;
    // A length is a claim of the user's class: it is believed as far as it costs little.
    let exact = items.is_exact_instance_of::<PyList>() || items.is_exact_instance_of::<PyTuple>();
    let room = if exact { hint } else { hint.min(1 << 16) };
    let mut slots = Vec::new();
    slots.try_reserve_exact(room).map_err(|_| no_memory())?;
    let mut put = |item: Bound<'_, PyAny>| {
        slots.try_reserve(1).map_err(|_| no_memory())?;
        slots.push(Slot::new(encode(&item)));
        PyResult::Ok(())
    };
    if let Ok(list) = items.cast_exact::<PyList>() {
        list.iter().try_for_each(&mut put)?;
    } else if let Ok(tuple) = items.cast_exact::<PyTuple>() {
        tuple.iter().try_for_each(&mut put)?;
    } else {
        for item in items.try_iter()? {
            put(item?)?;
        }
    }
    Ok(slots)
}

fn numbers(items: &Bound<'_, PyAny>, kind: Kind) -> PyResult<Store> {
    let py = items.py();
    // What has the same numbers in memory already (numpy, array) is copied.
    match kind {
        Kind::Ints => {
            if let Ok(buffer) = PyBuffer::<i64>::get(items) {
                let numbers = buffer.to_vec(py)?;
                let store = Store::filled(py, kind, numbers.len(), None)?;
                if let Store::Ints(ints) = &store {
                    ints.iter().zip(&numbers).for_each(|(int, n)| int.set(*n));
                }
                return Ok(store);
            }
        }
        _ => {
            if let Ok(buffer) = PyBuffer::<f64>::get(items) {
                let numbers = buffer.to_vec(py)?;
                let store = Store::filled(py, kind, numbers.len(), None)?;
                if let Store::Floats(floats) = &store {
                    floats
                        .iter()
                        .zip(&numbers)
                        .for_each(|(f, n)| f.store(n.to_bits(), Ordering::Relaxed));
                }
                return Ok(store);
            }
        }
    }
    // Code of the user's runs while the items are asked for, so they are gathered first.
    match items.cast_exact::<PyList>() {
        Ok(list) => from_list(list, kind),
        Err(_) => from_list(PyList::type_object(py).call1((items,))?.cast::<PyList>()?, kind),
    }
}

/// An array of that kind with the items of a list.
pub(super) fn from_list(list: &Bound<'_, PyList>, kind: Kind) -> PyResult<Store> {
    if kind == Kind::Objects {
        return objects(list.as_any()).map(Store::Objects);
    }
    let store = Store::filled(list.py(), kind, list.len(), None)?;
    // Another thread may change the list's length meanwhile.
    for (i, item) in list.iter().enumerate().take(store.len()) {
        store.set(i, &item)?;
    }
    Ok(store)
}
