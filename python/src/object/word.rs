//! Python values as the 64-bit words that slots hold. An int or a float that fits is stored as
//! itself, so that reading it touches no count; everything else is the object's address, whose
//! count the slot owns. The two low bits tell them apart: `00` address, `01` int of 62 bits, `10`
//! float whose exponent lies within 2^-255 .. 2^256 (and 0.0). `11` is never made here.

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

/// How the counts of such words are kept.
pub(crate) struct Object;

/// A Python value with a count of its own.
///
/// Made here only, from values of attached threads; only attached threads touch the structures it
/// goes to.
pub(crate) type Word = Owned<Object>;

// SAFETY: `count::try_retain` is CPython's own way of reading shared slots; unboxed words and marks
// have no count.
unsafe impl Counted for Object {
    #[inline]
    unsafe fn try_retain(word: u64) -> bool {
        // SAFETY: loaded from a slot by this thread, by the caller; structures are only touched by
        // attached threads.
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
        let below = |trash: &Trash| {
            if trash.depth.get() >= MAX_DEPTH {
                trash.put_off.borrow_mut().push(word);
                return;
            }
            // SAFETY: the caller's.
            unsafe { trash.release(word) };
            while trash.depth.get() == 0
                && let Some(word) = trash.pop()
            {
                // SAFETY: as above, of a destructor that could not wait.
                unsafe { trash.release(word) };
            }
        };
        if TRASH.try_with(below).is_err() {
            // SAFETY: the caller's. The thread is being torn down.
            unsafe { Self::release(word) };
        }
    }
}

/// How deep destructors may nest before they put off the rest, as CPython's own do (its
/// "trashcan").
const MAX_DEPTH: u32 = 32;

struct Trash {
    depth: Cell<u32>,
    put_off: RefCell<Vec<u64>>,
}

thread_local! {
    static TRASH: Trash = const { Trash { depth: Cell::new(0), put_off: RefCell::new(Vec::new()) } };
}

impl Trash {
    /// # Safety
    /// As for [`Counted::release`].
    unsafe fn release(&self, word: u64) {
        self.depth.set(self.depth.get() + 1);
        // SAFETY: the caller's.
        unsafe { Object::release(word) };
        self.depth.set(self.depth.get() - 1);
    }

    fn pop(&self) -> Option<u64> {
        self.put_off.borrow_mut().pop()
    }
}

#[inline]
fn address(word: u64) -> *mut ffi::PyObject {
    word as usize as *mut ffi::PyObject
}

/// Returns whether a word is an object's address.
#[inline]
fn is_object(word: u64) -> bool {
    word & TAG == 0 && word != 0
}

/// Returns the word for `value`, whose count is handed over: whoever drops it later does so alone.
#[inline]
pub(crate) fn encode(value: &Bound<'_, PyAny>) -> Word {
    if header::free_threaded()
        && !count::is_immortal(value)
        && let Some(word) = unboxed(value)
    {
        // SAFETY: such a word has no count, and is neither 0 nor a mark.
        return unsafe { Word::from_raw(word) };
    }
    let object = value.as_ptr();
    // SAFETY: alive while `value` is borrowed; the count taken is the word's.
    unsafe {
        count::retain_and_hand_over(object);
        Word::from_raw(object as usize as u64)
    }
}

/// As [`encode`], but the value stays this thread's, which uses it most: others may only take a
/// count of it now and then.
pub(crate) fn encode_own(value: &Bound<'_, PyAny>) -> Word {
    let object = value.as_ptr();
    // SAFETY: alive while `value` is borrowed; the count taken is the word's.
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

/// As [`encode`], but every build unboxes an int or a float that fits: equal words are equal keys.
pub(crate) fn encode_key(key: &Bound<'_, PyAny>) -> Word {
    let object = key.as_ptr();
    // SAFETY: an unboxed word has no count, and is neither 0 nor a mark; otherwise the key is alive
    // while borrowed, and the count taken is the word's.
    unsafe {
        Word::from_raw(unboxed(key).unwrap_or_else(|| {
            count::retain(object);
            count::hand_over(object);
            object as usize as u64
        }))
    }
}

/// Returns the value of a word, whose count passes to it.
#[inline]
pub(crate) fn decode<'py>(py: Python<'py>, word: Word) -> PyResult<Bound<'py, PyAny>> {
    let word = word.into_raw();
    // SAFETY: new references, or the word's own; null with an exception set when memory is short.
    unsafe {
        match word & TAG {
            INT => Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLongLong((word as i64) >> 2)),
            FLOAT => Bound::from_owned_ptr_or_err(py, ffi::PyFloat_FromDouble(unpack_float(word))),
            _ => Ok(Bound::from_owned_ptr(py, address(word))),
        }
    }
}

/// Returns the value of a word that keeps its count.
pub(crate) fn borrow<'py>(py: Python<'py>, word: &Word) -> PyResult<Bound<'py, PyAny>> {
    match as_object(py, word) {
        Some(object) => Ok((*object).clone()),
        // SAFETY: an unboxed word has no count that could be given up twice.
        None => decode(py, unsafe { Word::from_raw(word.as_raw()) }),
    }
}

/// Returns the object that a word is the address of, with the word's count.
#[inline]
pub(crate) fn as_object<'a, 'py>(
    py: Python<'py>,
    word: &'a Word,
) -> Option<Borrowed<'a, 'py, PyAny>> {
    // SAFETY: the word keeps the object alive while it is borrowed.
    is_object(word.as_raw()).then(|| unsafe { Borrowed::from_ptr(py, address(word.as_raw())) })
}

/// Returns the value that a slot holds.
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

/// Returns the word of a value that needs no object, and so no count.
#[inline]
pub(crate) fn unboxed(value: &Bound<'_, PyAny>) -> Option<u64> {
    let object = value.as_ptr();
    // SAFETY: alive; the types are checked exactly, so that no subclass is lost and no code of the
    // user's runs.
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

/// The word of the int 0: for what has to be a value and says nothing.
pub(crate) fn zero() -> Word {
    // SAFETY: an unboxed word has no count.
    unsafe { Word::from_raw(INT) }
}

/// 0.0 borrows the word of the one float (2^-255, exactly) that is boxed for it.
const ZERO: u64 = 1 << 63 | FLOAT;
const BOXED_FOR_ZERO: u64 = 0x3000_0000_0000_0000;

/// A float in 62 bits (Ruby's "flonum"). Its exponent's top three bits are 011 or 100 for all but
/// the very large and the very small, so that the third tells the other two, and their places take
/// the tag.
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

/// Shows the collector the object that a slot holds. `visit` exists only in `__traverse__`, when
/// every other thread stands still.
pub(crate) fn visit(slot: &Slot<Object>, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    // SAFETY: the slot owns a count while no other thread runs.
    unsafe { visit_raw(slot.peek(), visit) }
}

/// Shows the collector the object of a word.
pub(crate) fn visit_word(word: &Word, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    // SAFETY: the word owns a count.
    unsafe { visit_raw(word.as_raw(), visit) }
}

/// # Safety
/// Somebody owns a count of the word during the call, unless it is 0.
unsafe fn visit_raw(word: u64, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    if !is_object(word) {
        return Ok(());
    }
    // SAFETY: alive, by the caller; `ManuallyDrop` leaves the count alone: `PyVisit` only takes a
    // `Py`.
    let object = unsafe { Bound::from_owned_ptr(Python::assume_attached(), address(word)) };
    visit.call(&*ManuallyDrop::new(object.unbind()))
}
