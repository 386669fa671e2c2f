//! Encodes Python values as the 64-bit words that slots hold. Ints and floats that fit are stored
//! as immediate values, so reading them touches no reference count. All other words are addresses
//! of objects, and the slot owns a count of the object. The two low bits distinguish them: `00`
//! address, `01` int of 62 bits, `10` float with an exponent within 2^-255 .. 2^256 (or 0.0). `11`
//! is never used here: it marks special words of the structures.

#![allow(unsafe_code)]

use super::{compact, count, header};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{Borrowed, PyTraverseError, PyVisit};
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use ungil_sync::owned::{Counted, Owned};
use ungil_sync::slot::Slot;

const TAG: u64 = 0b11;
const INT: u64 = 0b01;
const FLOAT: u64 = 0b10;

/// Defines how the counts of Python values in words are kept.
pub(crate) struct Object;

/// A Python value with a count of its own.
///
/// Created only here, from values of attached threads. Only attached threads use the structures it
/// is moved to.
pub(crate) type Word = Owned<Object>;

// SAFETY: `count::try_retain` is CPython's own way of reading shared slots; immediate values and
// marks have no count.
unsafe impl Counted for Object {
    #[inline]
    unsafe fn try_retain(word: u64) -> bool {
        // SAFETY: this thread loaded the word from a slot, by the caller's contract, and is
        // attached, as all users of the structures are.
        word & TAG != 0 || unsafe { count::try_retain(address(word)) }
    }

    #[inline]
    unsafe fn release(word: u64) {
        if is_object(word) {
            // SAFETY: the caller owns the count.
            unsafe { count::release(address(word)) }
        }
    }

    unsafe fn dispose(word: u64) {
        if !is_object(word) {
            return;
        }
        let release = |trash: &Trash| {
            if trash.depth.get() >= MAX_DEPTH {
                trash.postponed.borrow_mut().push(word);
                return;
            }
            // SAFETY: the caller's contract.
            unsafe { trash.release(word) };
            while trash.depth.get() == 0
                && let Some(word) = trash.pop()
            {
                // SAFETY: as above, for a word postponed by a nested destructor.
                unsafe { trash.release(word) };
            }
        };
        if TRASH.try_with(release).is_err() {
            // SAFETY: the caller's contract. The thread is being torn down.
            unsafe { Self::release(word) };
        }
    }
}

/// How deep destructors may nest before they postpone releases, like CPython's "trashcan".
const MAX_DEPTH: u32 = 32;

struct Trash {
    depth: Cell<u32>,
    postponed: RefCell<Vec<u64>>,
}

thread_local! {
    static TRASH: Trash = const { Trash { depth: Cell::new(0), postponed: RefCell::new(Vec::new()) } };
}

impl Trash {
    /// # Safety
    /// As for [`Counted::release`].
    unsafe fn release(&self, word: u64) {
        self.depth.set(self.depth.get() + 1);
        // SAFETY: the caller's contract.
        unsafe { Object::release(word) };
        self.depth.set(self.depth.get() - 1);
    }

    fn pop(&self) -> Option<u64> {
        self.postponed.borrow_mut().pop()
    }
}

#[inline]
fn address(word: u64) -> *mut ffi::PyObject {
    word as usize as *mut ffi::PyObject
}

/// Returns true if a word is an object's address.
#[inline]
fn is_object(word: u64) -> bool {
    word & TAG == 0 && word != 0
}

/// Encodes a value and merges its count, so that any thread may drop it directly.
#[inline]
pub(crate) fn encode(value: &Bound<'_, PyAny>) -> Word {
    if header::free_threaded()
        && !count::is_immortal(value)
        && let Some(word) = unboxed(value)
    {
        // SAFETY: an immediate value has no count, and is neither 0 nor a mark.
        return unsafe { Word::from_raw(word) };
    }
    let object = value.as_ptr();
    // SAFETY: alive while `value` is borrowed; the word owns the count raised.
    unsafe {
        count::retain_and_merge(object);
        Word::from_raw(object as usize as u64)
    }
}

/// As [`encode`], but the calling thread keeps owning the value, for values that it uses most.
/// Other threads may still take a count of it.
pub(crate) fn encode_own(value: &Bound<'_, PyAny>) -> Word {
    let object = value.as_ptr();
    // SAFETY: alive while `value` is borrowed; the word owns the count raised.
    unsafe {
        if ffi::PyLong_CheckExact(object) == 0
            && ffi::PyFloat_CheckExact(object) == 0
            && count::retain_own(object)
        {
            return Word::from_raw(object as usize as u64);
        }
    }
    encode(value)
}

/// As [`encode`], but unboxes ints and floats that fit on every build: equal words are equal keys.
pub(crate) fn encode_key(key: &Bound<'_, PyAny>) -> Word {
    let object = key.as_ptr();
    // SAFETY: an immediate value has no count, and is neither 0 nor a mark; otherwise the key is
    // alive while borrowed, and the word owns the count raised.
    unsafe {
        Word::from_raw(unboxed(key).unwrap_or_else(|| {
            count::retain(object);
            count::merge_count(object);
            object as usize as u64
        }))
    }
}

/// Decodes a word. The result takes over its count.
#[inline]
pub(crate) fn decode<'py>(py: Python<'py>, word: Word) -> PyResult<Bound<'py, PyAny>> {
    let word = word.into_raw();
    // SAFETY: new references, or the word's own; null with an exception set if memory is short.
    unsafe {
        match word & TAG {
            INT => Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLongLong((word as i64) >> 2)),
            FLOAT => Bound::from_owned_ptr_or_err(py, ffi::PyFloat_FromDouble(unpack_float(word))),
            _ => Ok(Bound::from_owned_ptr(py, address(word))),
        }
    }
}

/// Decodes a word that keeps its count.
pub(crate) fn borrow<'py>(py: Python<'py>, word: &Word) -> PyResult<Bound<'py, PyAny>> {
    match as_object(py, word) {
        Some(object) => Ok((*object).clone()),
        // SAFETY: an immediate value has no count that could be released twice.
        None => decode(py, unsafe { Word::from_raw(word.as_raw()) }),
    }
}

/// Returns the object whose address a word is, borrowing the word's count.
#[inline]
pub(crate) fn as_object<'a, 'py>(
    py: Python<'py>,
    word: &'a Word,
) -> Option<Borrowed<'a, 'py, PyAny>> {
    // SAFETY: the word keeps the object alive while it is borrowed.
    is_object(word.as_raw()).then(|| unsafe { Borrowed::from_ptr(py, address(word.as_raw())) })
}

/// Returns the value in a slot.
#[inline]
pub(crate) fn load<'py>(
    py: Python<'py>,
    slot: &Slot<Object>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    slot.load().map(|word| decode(py, word)).transpose()
}

/// Takes the value out of a slot.
#[inline]
pub(crate) fn take<'py>(
    py: Python<'py>,
    slot: &Slot<Object>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    slot.take().map(|word| decode(py, word)).transpose()
}

/// Returns the word of an int or float that fits, and so needs no object.
#[inline]
pub(crate) fn unboxed(value: &Bound<'_, PyAny>) -> Option<u64> {
    let object = value.as_ptr();
    // SAFETY: alive; the types are checked exactly, so subclasses are not affected and no user code
    // runs.
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

/// Returns the word of the int 0, as a dummy value.
pub(crate) fn zero() -> Word {
    // SAFETY: an immediate value has no count.
    unsafe { Word::from_raw(INT) }
}

/// The word of 0.0. The float that would have this word (exactly 2^-255) is boxed instead.
const ZERO: u64 = 1 << 63 | FLOAT;
const BOXED_FOR_ZERO: u64 = 0x3000_0000_0000_0000;

/// Packs a float into 62 bits (Ruby's "flonum"). The top three exponent bits are 011 or 100 except
/// for very large and very small numbers, so the third bit determines the other two, whose bits are
/// used for the tag.
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

/// Passes the object in a slot to the collector. `visit` exists only during `__traverse__`, while
/// every other thread is stopped.
pub(crate) fn visit(slot: &Slot<Object>, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    // SAFETY: the slot owns a count while no other thread runs.
    unsafe { visit_raw(slot.peek(), visit) }
}

/// Passes the object of a word to the collector.
pub(crate) fn visit_word(word: &Word, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    // SAFETY: the word owns a count.
    unsafe { visit_raw(word.as_raw(), visit) }
}

/// # Safety
/// A count of the word is owned by another structure during the call, unless the word is 0.
unsafe fn visit_raw(word: u64, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    if !is_object(word) {
        return Ok(());
    }
    // SAFETY: alive, by the caller's contract; `ManuallyDrop` leaves the count alone, because
    // `PyVisit` only accepts a `Py`.
    let object = unsafe { Bound::from_owned_ptr(Python::assume_attached(), address(word)) };
    visit.call(&*ManuallyDrop::new(object.unbind()))
}
