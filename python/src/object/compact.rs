//! Reads small exact ints directly from memory.
//!
//! The interpreter's function is an indirect call, made twice for `array[i] = n`. The layout
//! (`_PyLongValue`: a tag with the sign and the number of digits, then digits of 30 bits) is the
//! same from 3.12 on. Builds for the stable ABI do not rely on it.

#![allow(unsafe_code)]

use pyo3::ffi;

/// Returns the value of an exact int. Returns `None` if `object` is not an exact int or does not
/// fit in 64 bits. Runs no user code.
///
/// # Safety
/// `object` is alive.
#[inline]
pub(crate) unsafe fn int(object: *mut ffi::PyObject) -> Option<i64> {
    // SAFETY: the caller's contract.
    unsafe {
        if ffi::PyLong_CheckExact(object) == 0 {
            return None;
        }
        #[cfg(not(any(feature = "abi3t", Py_LIMITED_API)))]
        {
            let value = object.cast::<u8>().add(size_of::<ffi::PyObject>());
            let tag = value.cast::<usize>().read();
            // At most one digit.
            if tag < 2 << 3 {
                let digit = value.add(size_of::<usize>()).cast::<u32>().read();
                // The low two bits are 0 for a positive number, 1 for zero, 2 for a negative one.
                return Some((1 - (tag & 3) as i64) * i64::from(digit));
            }
        }
        let mut overflow = 0;
        let value = ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow);
        (overflow == 0).then_some(value)
    }
}
