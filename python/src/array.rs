//! `Array`.

#![allow(unsafe_code)]

use crate::object::{Object, decode, encode, word};
use pyo3::exceptions::PyIndexError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::array;
use ungil_sync::slot::{Counted, Slot};

/// Fixed slots.
#[pyclass(frozen, module = "ungil", weakref)]
pub(crate) struct Array {
    slots: array::Array<Object>,
}

impl Array {
    #[inline]
    fn at(&self, index: &Bound<'_, PyAny>) -> PyResult<&Slot> {
        // SAFETY: alive while borrowed.
        let i = unsafe { ffi::PyNumber_AsSsize_t(index.as_ptr(), ffi::PyExc_IndexError) };
        if i == -1
            && let Some(error) = PyErr::take(index.py())
        {
            return Err(error);
        }
        let i = if i < 0 { i + self.slots.len() as isize } else { i };
        self.slots.slot(i as usize).ok_or_else(|| PyIndexError::new_err("Array index out of range"))
    }
}

#[pymethods]
impl Array {
    #[new]
    fn new(items: &Bound<'_, PyAny>) -> PyResult<Self> {
        let words = items.try_iter()?.map(|item| Ok(encode(&item?))).collect::<PyResult<Vec<_>>>()?;
        Ok(Self { slots: words.into_iter().collect() })
    }

    fn __init__(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>) {
        let _ = items;
        crate::sharing::own(slf.as_any());
    }

    fn __len__(&self) -> usize {
        self.slots.len()
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let word = self.at(index)?.load::<Object>();
        // SAFETY: the count is ours; slots are never empty.
        unsafe { decode(index.py(), word) }
    }

    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let old = self.at(index)?.swap(encode(value));
        // SAFETY: the slot's count is ours now.
        unsafe { Object::release(old) };
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for slot in self.slots.slots() {
            word::visit(slot, visit)?;
        }
        Ok(())
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Array>()
}
