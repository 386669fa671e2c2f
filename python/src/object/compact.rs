//! Exact ints read where they lie.
//!
//! The interpreter's function for it is a call through a table, twice for `array[i] = n`. The
//! layout (`_PyLongValue`: a tag with sign and number of digits, then the digits of 30 bits) is the
//! same from 3.12 on; where the library is built for the stable ABI, it is not looked at.

#![allow(unsafe_code)]

use pyo3::ffi;

/// The value of an exact int; `None` if it is not one, or does not fit 64 bits. Runs no code of the
/// user's.
///
/// # Safety
/// `object` is alive.
#[inline]
pub(crate) unsafe fn int(object: *mut ffi::PyObject) -> Option<i64> {
    // SAFETY: the caller's.
    unsafe {
        if ffi::PyLong_CheckExact(object) == 0 {
            return None;
        }
        #[cfg(not(any(feature = "abi3t", Py_LIMITED_API)))]
        {
            let value = object.cast::<u8>().add(size_of::<ffi::PyObject>());
            let tag = value.cast::<usize>().read();
            // One digit at most.
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
