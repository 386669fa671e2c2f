//! The buffer protocol for one-dimensional arrays of numbers.

#![allow(unsafe_code)]

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_int};
use std::ptr::null_mut;

/// Fills a one-dimensional view.
///
/// # Safety
/// `view` may be written if it is not null. `memory` holds `shape[0]` items of `shape[1]` bytes
/// each. Both live at the same address as long as `owner`.
pub(super) unsafe fn fill(
    owner: Bound<'_, PyAny>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
    memory: *const u8,
    format: &'static CStr,
    shape: *const isize,
    read_only: bool,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("the buffer request has no view"));
    }
    // SAFETY: the caller's contract.
    unsafe {
        (*view).obj = null_mut();
        if read_only && flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(PyBufferError::new_err("a MappedArray is read-only"));
        }
        let asked = |what: c_int| flags & what == what;
        let (len, itemsize) = (*shape, *shape.add(1));
        (*view).buf = memory.cast_mut().cast();
        (*view).len = len * itemsize;
        (*view).readonly = c_int::from(read_only);
        (*view).itemsize = itemsize;
        (*view).format =
            if asked(ffi::PyBUF_FORMAT) { format.as_ptr().cast_mut() } else { null_mut() };
        (*view).ndim = 1;
        (*view).shape = if asked(ffi::PyBUF_ND) { shape.cast_mut() } else { null_mut() };
        (*view).strides =
            if asked(ffi::PyBUF_STRIDES) { shape.add(1).cast_mut() } else { null_mut() };
        (*view).suboffsets = null_mut();
        (*view).internal = null_mut();
        (*view).obj = owner.into_ptr();
    }
    Ok(())
}
