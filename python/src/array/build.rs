//! Creates the contents of an `Array` from a length or from items.

#![allow(unsafe_code)]

use super::store::{ElementType, Store, no_memory};
use crate::object::{Object, encode};
use pyo3::PyTypeInfo;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::sync::atomic::Ordering;
use ungil_sync::slot::Slot;

/// Implements `Array(items, type, fill=...)`.
pub(super) fn build(
    items: &Bound<'_, PyAny>,
    kind: ElementType,
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
            PyValueError::new_err(format!("the length of an Array must be 0 or more, not {len}"))
        })?;
        return Store::filled(items.py(), kind, len, fill);
    }
    if fill.is_some() {
        return Err(PyTypeError::new_err(
            "fill= needs a length, as in Array(1000, fill=0), not items",
        ));
    }
    match kind {
        ElementType::Objects => objects(items).map(Store::Objects),
        _ => numbers(items, kind),
    }
}

fn objects(items: &Bound<'_, PyAny>) -> PyResult<Vec<Slot<Object>>> {
    let hint = items.len().or_else(|_| {
        PyErr::take(items.py());
        PyResult::Ok(0)
    })?;
    // The length of a user-defined class is only a hint: large values are not trusted.
    let exact = items.is_exact_instance_of::<PyList>() || items.is_exact_instance_of::<PyTuple>();
    let capacity = if exact { hint } else { hint.min(1 << 16) };
    let mut slots = Vec::new();
    slots.try_reserve_exact(capacity).map_err(|_| no_memory())?;
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

fn numbers(items: &Bound<'_, PyAny>, kind: ElementType) -> PyResult<Store> {
    let py = items.py();
    // Objects that already hold such numbers in memory (numpy, array) are copied.
    match kind {
        ElementType::Ints => {
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
    // Iterating may run Python code, so the items are collected first.
    match items.cast_exact::<PyList>() {
        Ok(list) => from_list(list, kind),
        Err(_) => from_list(PyList::type_object(py).call1((items,))?.cast::<PyList>()?, kind),
    }
}

/// Creates an array of that element type from a list.
pub(super) fn from_list(list: &Bound<'_, PyList>, kind: ElementType) -> PyResult<Store> {
    if kind == ElementType::Objects {
        return objects(list.as_any()).map(Store::Objects);
    }
    let store = Store::filled(list.py(), kind, list.len(), None)?;
    // Another thread may change the length of the list meanwhile.
    for (i, item) in list.iter().enumerate().take(store.len()) {
        store.set(i, &item)?;
    }
    Ok(store)
}
