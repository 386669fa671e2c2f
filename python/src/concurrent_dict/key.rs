//! A Python object as a key: its hash, its word, and how it is compared. Ints and floats are stored as themselves, so that comparing
//! them is comparing words; exact strings and bytes are compared where they are found. For every other key the search stops, `==` runs outside
//! of everything, and the search goes on.

#![allow(unsafe_code)]

use crate::object::{Object, count, decode, word};
use pyo3::ffi;
use pyo3::prelude::*;
use ungil_sync::slot::Counted;
use ungil_sync::table::{Ask, Query, Search, Verdict};

const TAG: u64 = 0b11;
const INT: u64 = 0b01;

/// Python's hash of an int is its value modulo this.
const MODULUS: i64 = (1 << 61) - 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Str,
    Bytes,
    Other,
}

/// A key that is looked for.
pub(crate) struct Key<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    kind: Kind,
    word: u64,
    hash: u64,
}

/// A count of a word that is given back unless it is taken over.
pub(crate) struct Owned(u64);

impl Owned {
    pub(crate) fn new(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn word(&self) -> u64 {
        self.0
    }

    pub(crate) fn hand_out(self) -> u64 {
        let word = self.0;
        std::mem::forget(self);
        word
    }

    pub(crate) fn decode<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the count is this one's, and goes to the result; such a word is never 0.
        unsafe { decode(py, self.hand_out()) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the count is this one's.
        unsafe { Object::release(self.0) }
    }
}

impl<'a, 'py> Key<'a, 'py> {
    /// Hashes the object, which may run its `__hash__`.
    #[inline]
    pub(crate) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let at = object.as_ptr();
        if let Some(word) = word::unboxed(at) {
            let value = (word as i64) >> 2;
            if word & TAG == INT && value.unsigned_abs() < MODULUS as u64 {
                let hash = if value == -1 { -2 } else { value } as u64;
                return Ok(Self { object, kind: Kind::Number, word, hash });
            }
            return Ok(Self { object, kind: Kind::Number, word, hash: object.hash()? as u64 });
        }
        // SAFETY: alive while borrowed.
        let kind = match unsafe { (ffi::PyUnicode_CheckExact(at) != 0, ffi::PyBytes_CheckExact(at) != 0) } {
            (true, _) => Kind::Str,
            (_, true) => Kind::Bytes,
            _ => Kind::Other,
        };
        Ok(Self { object, kind, word: at as usize as u64, hash: object.hash()? as u64 })
    }

    /// A key whose hash and comparison run no foreign code: an exact int, string or bytes.
    #[inline(always)]
    pub(crate) fn everyday(object: &'a Bound<'py, PyAny>) -> Option<Self> {
        let at = object.as_ptr();
        // SAFETY: alive while borrowed; strings and bytes have a hash.
        unsafe {
            if ffi::PyLong_CheckExact(at) != 0 {
                let word = word::unboxed(at)?;
                let value = (word as i64) >> 2;
                let hash = if value == -1 { -2 } else { value } as u64;
                return (value.unsigned_abs() < MODULUS as u64).then_some(Self {
                    object,
                    kind: Kind::Number,
                    word,
                    hash,
                });
            }
            let kind = match ffi::PyUnicode_CheckExact(at) != 0 {
                true => Kind::Str,
                false if ffi::PyBytes_CheckExact(at) != 0 => Kind::Bytes,
                false => return None,
            };
            Some(Self { object, kind, word: at as usize as u64, hash: ffi::PyObject_Hash(at) as u64 })
        }
    }

    /// A search for it.
    #[inline(always)]
    pub(crate) fn start(&self) -> Search {
        Search::new(self.hash, self.word)
    }

    /// The key's word with a count of its own, to be stored.
    pub(crate) fn own(&self) -> Owned {
        if self.kind != Kind::Number {
            // SAFETY: alive while borrowed; the count taken is the word's.
            unsafe {
                count::retain(self.object.as_ptr());
                count::hand_over(self.object.as_ptr());
            }
        }
        Owned(self.word)
    }

    pub(crate) fn object(&self) -> &'a Bound<'py, PyAny> {
        self.object
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Runs an operation of a table, asking Python's `==` wherever it stops for that.
    #[inline]
    pub(crate) fn search<R>(
        &self,
        operation: impl FnMut(&Self, &mut Search) -> Result<R, Ask>,
    ) -> PyResult<R> {
        let mut hunt = self.hunt();
        hunt.run(operation)
    }

    /// A search that several operations share.
    #[inline]
    pub(crate) fn hunt(&self) -> Hunt<'_, 'a, 'py> {
        Hunt { key: self, search: Search::new(self.hash, self.word), twin: None }
    }
}

/// A search, and the stored key that it knows to be equal.
pub(crate) struct Hunt<'k, 'a, 'py> {
    key: &'k Key<'a, 'py>,
    pub(crate) search: Search,
    twin: Option<Owned>,
}

impl<'a, 'py> Hunt<'_, 'a, 'py> {
    /// See [`Key::search`].
    #[inline]
    pub(crate) fn run<R>(
        &mut self,
        mut operation: impl FnMut(&Key<'a, 'py>, &mut Search) -> Result<R, Ask>,
    ) -> PyResult<R> {
        loop {
            match operation(self.key, &mut self.search) {
                Ok(result) => return Ok(result),
                Err(Ask(stored)) => self.ask(Owned(stored))?,
            }
        }
    }

    #[cold]
    fn ask(&mut self, stored: Owned) -> PyResult<()> {
        let py = self.key.object.py();
        // SAFETY: a count for the object and one for the search.
        let object = unsafe {
            if word::is_object(stored.word()) {
                count::retain(word::address(stored.word()));
            }
            decode(py, stored.word())?
        };
        // `stored == key`, in this order, as dict does; identity has been looked at already.
        if object.rich_compare(self.key.object, pyo3::basic::CompareOp::Eq)?.is_truthy()? {
            self.search.accept(stored.word());
            self.twin = Some(stored);
        } else {
            self.search.pass();
        }
        Ok(())
    }
}

impl Query for Key<'_, '_> {
    #[inline]
    fn differs(&self, stored: u64) -> bool {
        // Two ints, or two floats, that are not the same word. A float may equal an int.
        stored & TAG != 0 && stored & TAG == self.word & TAG
    }

    fn judge(&self, stored: u64) -> Verdict {
        if stored & TAG != 0 || matches!(self.kind, Kind::Number | Kind::Other) {
            return Verdict::Ask;
        }
        let stored = word::address(stored);
        // SAFETY: the table holds a count of it for this call; both are exactly of one type, whose comparison runs no foreign code.
        unsafe {
            let alike = match self.kind {
                Kind::Str => ffi::PyUnicode_CheckExact(stored) != 0,
                _ => ffi::PyBytes_CheckExact(stored) != 0,
            };
            match alike {
                false => Verdict::Ask,
                true => match ffi::PyObject_RichCompareBool(stored, self.object.as_ptr(), ffi::Py_EQ) {
                    0 => Verdict::Differs,
                    1 => Verdict::Same,
                    _ => {
                        ffi::PyErr_Clear();
                        Verdict::Ask
                    }
                },
            }
        }
    }
}

/// Whether `value` is what a caller expects to find: the same object or, for exact ints, floats, strings and bytes, an equal one of the same type.
pub(crate) fn expected(value: &Bound<'_, PyAny>, expected: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is(expected) {
        return Ok(true);
    }
    let (a, b) = (value.as_ptr(), expected.as_ptr());
    // SAFETY: alive while borrowed.
    unsafe {
        let plain = ffi::PyLong_CheckExact(a) != 0 && ffi::PyLong_CheckExact(b) != 0
            || ffi::PyFloat_CheckExact(a) != 0 && ffi::PyFloat_CheckExact(b) != 0
            || ffi::PyUnicode_CheckExact(a) != 0 && ffi::PyUnicode_CheckExact(b) != 0
            || ffi::PyBytes_CheckExact(a) != 0 && ffi::PyBytes_CheckExact(b) != 0;
        if !plain {
            return Ok(false);
        }
    }
    value.eq(expected)
}
