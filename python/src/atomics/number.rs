//! Numbers passed from Python. Exact ints and floats are read directly, anything else through its
//! protocol.

#![allow(unsafe_code)]

use crate::object::compact;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;

/// A numeric argument.
pub(crate) enum Number {
    Whole(i64),
    Real(f64),
}

/// Reads an int of 64 bits. `what` begins the error message: "Adder takes".
#[inline]
pub(crate) fn to_i64(value: &Bound<'_, PyAny>, what: &str) -> PyResult<i64> {
    // SAFETY: alive while borrowed.
    match unsafe { compact::int(value.as_ptr()) } {
        Some(n) => Ok(n),
        None => to_i64_slow(value, what),
    }
}

#[cold]
fn to_i64_slow(value: &Bound<'_, PyAny>, what: &str) -> PyResult<i64> {
    // SAFETY: alive while borrowed; a new reference or null with an exception set.
    let index =
        unsafe { Bound::from_owned_ptr_or_err(value.py(), ffi::PyNumber_Index(value.as_ptr())) };
    match index {
        Ok(index) => index.extract().map_err(|_| too_large(what)),
        Err(error) if error.is_instance_of::<PyTypeError>(value.py()) => {
            Err(PyTypeError::new_err(format!("{what} an int, not {}", type_name(value))))
        }
        Err(error) => Err(error),
    }
}

/// Reads a float, or an int of 64 bits.
#[inline]
pub(crate) fn number(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Number> {
    // SAFETY: alive while borrowed; a float cannot fail.
    unsafe {
        if let Some(n) = compact::int(value.as_ptr()) {
            return Ok(Number::Whole(n));
        }
        if ffi::PyFloat_Check(value.as_ptr()) != 0 {
            return Ok(Number::Real(ffi::PyFloat_AsDouble(value.as_ptr())));
        }
    }
    to_i64_slow(value, what).map(Number::Whole)
}

/// Reads anything that converts to a float.
#[inline]
pub(crate) fn to_f64(value: &Bound<'_, PyAny>, what: &str) -> PyResult<f64> {
    // SAFETY: alive while borrowed.
    if unsafe { ffi::PyFloat_CheckExact(value.as_ptr()) } != 0 {
        // SAFETY: as above; a float cannot fail.
        return Ok(unsafe { ffi::PyFloat_AsDouble(value.as_ptr()) });
    }
    // SAFETY: as above.
    let n = unsafe { ffi::PyFloat_AsDouble(value.as_ptr()) };
    if n == -1.0
        && let Some(error) = PyErr::take(value.py())
    {
        return Err(if error.is_instance_of::<PyTypeError>(value.py()) {
            PyTypeError::new_err(format!("{what} a float, not {}", type_name(value)))
        } else {
            error
        });
    }
    Ok(n)
}

#[cold]
pub(crate) fn too_large(what: &str) -> PyErr {
    PyOverflowError::new_err(format!("{what} 64-bit ints, and this one is larger"))
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string())
}

/// Creates a Python int.
#[inline]
pub(crate) fn int(py: Python<'_>, value: i64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLongLong(value)) }
}

/// Creates a Python float.
#[inline]
pub(crate) fn float(py: Python<'_>, value: f64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: as above.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyFloat_FromDouble(value)) }
}
