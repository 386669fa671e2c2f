//! Python values as the 64-bit words that slots hold. An int or a float that fits is stored as itself, so that reading it touches no
//! count; everything else is the object's address, whose count the slot owns. The two low bits tell them apart:
//! `00` address, `01` int of 62 bits, `10` float whose exponent lies within 2^-255 .. 2^256 (and 0.0). `11` is never made here.

#![allow(unsafe_code)]

use super::{compact, count, header};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use ungil_sync::slot::{Counted, Slot};

const TAG: u64 = 0b11;
const INT: u64 = 0b01;
const FLOAT: u64 = 0b10;

/// How the counts of such words are kept.
pub(crate) struct Object;

// SAFETY: `count::try_retain` is CPython's own way of reading shared slots; unboxed words have no count.
unsafe impl Counted for Object {
    #[inline]
    unsafe fn try_retain(word: u64) -> bool {
        // SAFETY: loaded from a slot by this thread, by the caller; structures are only touched by attached threads.
        word & TAG != 0 || unsafe { count::try_retain(address(word)) }
    }

    #[inline]
    unsafe fn release(word: u64) {
        if word & TAG == 0 && word != 0 {
            // SAFETY: the caller owns the count.
            unsafe { count::release(address(word)) }
        }
    }

    unsafe fn dispose(words: &mut dyn Iterator<Item = u64>) {
        let deep = DEPTH.get() >= DEEPEST;
        for word in words.filter(|word| is_object(*word)) {
            if deep {
                PUT_OFF.with_borrow_mut(|put_off| put_off.push(word));
            } else {
                // SAFETY: the caller's.
                unsafe { release_below(word) };
            }
        }
        while DEPTH.get() == 0
            && let Some(word) = PUT_OFF.with_borrow_mut(Vec::pop)
        {
            // SAFETY: as above, of a destructor that could not wait.
            unsafe { release_below(word) };
        }
    }
}

/// How deep destructors may lie within each other before they put off what they have left: as CPython's own do (its "trashcan").
const DEEPEST: u32 = 32;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PUT_OFF: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// # Safety
/// As for [`Counted::release`].
unsafe fn release_below(word: u64) {
    DEPTH.set(DEPTH.get() + 1);
    // SAFETY: the caller's.
    unsafe { Object::release(word) };
    DEPTH.set(DEPTH.get() - 1);
}

#[inline]
pub(crate) fn address(word: u64) -> *mut ffi::PyObject {
    word as usize as *mut ffi::PyObject
}

/// Whether a word is an object's address.
#[inline]
pub(crate) fn is_object(word: u64) -> bool {
    word & TAG == 0 && word != 0
}

/// The word for `value`, with a count of its own, handed over: whoever drops it later does so alone.
#[inline]
pub(crate) fn encode(value: &Bound<'_, PyAny>) -> u64 {
    let object = value.as_ptr();
    if header::free_threaded()
        && !count::is_immortal(value)
        && let Some(word) = unboxed(object)
    {
        return word;
    }
    // SAFETY: alive while `value` is borrowed; the count taken is the word's.
    unsafe { count::retain_and_hand_over(object) };
    object as usize as u64
}

/// As [`encode`], but the value stays this thread's, which uses it most: others may only take a count of it now and then.
pub(crate) fn encode_own(value: &Bound<'_, PyAny>) -> u64 {
    let object = value.as_ptr();
    // SAFETY: alive while `value` is borrowed; the count taken is the word's.
    let kept = unsafe {
        ffi::PyLong_CheckExact(object) == 0
            && ffi::PyFloat_CheckExact(object) == 0
            && count::retain_own(object)
    };
    if kept { object as usize as u64 } else { encode(value) }
}

/// The value of a word, whose count passes to the result.
///
/// # Safety
/// The caller owns the word's count, and the word is not 0.
#[inline]
pub(crate) unsafe fn decode<'py>(py: Python<'py>, word: u64) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: new references, or the caller's own; null with an exception set when memory is short.
    unsafe {
        match word & TAG {
            INT => Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLongLong((word as i64) >> 2)),
            FLOAT => Bound::from_owned_ptr_or_err(py, ffi::PyFloat_FromDouble(unpack_float(word))),
            _ => Ok(Bound::from_owned_ptr(py, address(word))),
        }
    }
}

/// The word of a value that needs no object, and so no count.
#[inline]
pub(crate) fn unboxed(object: *mut ffi::PyObject) -> Option<u64> {
    // SAFETY: alive; the types are checked exactly, so that no subclass is lost and no code of the user's runs.
    unsafe {
        if let Some(value) = compact::int(object) {
            return ((value << 2) >> 2 == value).then_some(((value << 2) as u64) | INT);
        }
        if ffi::PyFloat_CheckExact(object) != 0 {
            return pack_float(ffi::PyFloat_AsDouble(object));
        }
    }
    None
}

/// 0.0 borrows the word of the one float (2^-255, exactly) that is boxed for it.
const ZERO: u64 = 1 << 63 | FLOAT;
const BOXED_FOR_ZERO: u64 = 0x3000_0000_0000_0000;

/// A float in 62 bits (Ruby's "flonum"). Its exponent's top three bits are 011 or 100 for all but the very large and the very small, so
/// that the third tells the other two, and their places take the tag.
#[inline]
fn pack_float(value: f64) -> Option<u64> {
    let bits = value.to_bits();
    match bits >> 60 & 0b111 {
        0b011 | 0b100 if bits != BOXED_FOR_ZERO => Some(bits.rotate_left(3) & !TAG | FLOAT),
        _ => (bits == 0).then_some(ZERO),
    }
}

#[inline]
fn unpack_float(word: u64) -> f64 {
    if word == ZERO {
        return 0.0;
    }
    let two = if word >> 63 == 1 { 0b01 } else { 0b10 };
    f64::from_bits((word & !TAG | two).rotate_right(3))
}

/// Shows the collector the object a slot holds, if it holds one. Only from `__traverse__`, when every other thread stands still.
pub(crate) fn visit(slot: &Slot, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    let word = slot.peek();
    if !is_object(word) {
        return Ok(());
    }
    // SAFETY: the slot owns a count while no other thread runs, and `ManuallyDrop` leaves it alone: `PyVisit` only takes a `Py`.
    let object = unsafe { Bound::from_owned_ptr(Python::assume_attached(), address(word)) };
    visit.call(&*ManuallyDrop::new(object.unbind()))
}
