//! A Python object as a key: its hash, its word, and how it is compared. Ints and floats are stored
//! as themselves, so that comparing them is comparing words; exact strings and bytes are compared
//! where they are found. For every other key the search stops, `==` runs outside of everything, and
//! the search goes on.

#![allow(unsafe_code)]

use crate::object::word::{self, as_object, borrow};
use crate::object::{Object, Word};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyString};
use ungil_sync::table::{CompareKeys, KeyComparison, Query, Search};

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

impl<'a, 'py> Key<'a, 'py> {
    /// Hashes the object, which may run its `__hash__`.
    #[inline]
    pub(crate) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let at = object.as_ptr();
        if let Some(word) = word::unboxed(object) {
            let value = (word as i64) >> 2;
            if word & TAG == INT && value.unsigned_abs() < MODULUS as u64 {
                let hash = if value == -1 { -2 } else { value } as u64;
                return Ok(Self { object, kind: Kind::Number, word, hash });
            }
            return Ok(Self { object, kind: Kind::Number, word, hash: object.hash()? as u64 });
        }
        let kind = match () {
            () if object.is_exact_instance_of::<PyString>() => Kind::Str,
            () if object.is_exact_instance_of::<PyBytes>() => Kind::Bytes,
            () => Kind::Other,
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
                let word = word::unboxed(object)?;
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
            Some(Self {
                object,
                kind,
                word: at as usize as u64,
                hash: ffi::PyObject_Hash(at) as u64,
            })
        }
    }

    /// A search for it.
    #[inline(always)]
    pub(crate) fn start(&self) -> Search<Object> {
        Search::new(self.hash, self.word)
    }

    /// The key, to be stored.
    pub(crate) fn own(&self) -> Word {
        word::encode_key(self.object)
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
        operation: impl FnMut(&Self, &mut Search<Object>) -> Result<R, CompareKeys<Object>>,
    ) -> PyResult<R> {
        let mut hunt = self.hunt();
        hunt.run(operation)
    }

    /// A search that several operations share.
    #[inline]
    pub(crate) fn hunt(&self) -> Hunt<'_, 'a, 'py> {
        Hunt { key: self, search: self.start() }
    }
}

/// A search that asks Python.
pub(crate) struct Hunt<'k, 'a, 'py> {
    key: &'k Key<'a, 'py>,
    pub(crate) search: Search<Object>,
}

impl<'a, 'py> Hunt<'_, 'a, 'py> {
    /// See [`Key::search`].
    #[inline]
    pub(crate) fn run<R>(
        &mut self,
        mut operation: impl FnMut(&Key<'a, 'py>, &mut Search<Object>) -> Result<R, CompareKeys<Object>>,
    ) -> PyResult<R> {
        loop {
            match operation(self.key, &mut self.search) {
                Ok(result) => return Ok(result),
                Err(CompareKeys(stored)) => self.ask(stored)?,
            }
        }
    }

    #[cold]
    fn ask(&mut self, stored: Word) -> PyResult<()> {
        let object = borrow(self.key.object.py(), &stored)?;
        // `stored == key`, in this order, as dict does; identity has been looked at already.
        if object.rich_compare(self.key.object, pyo3::basic::CompareOp::Eq)?.is_truthy()? {
            self.search.accept(stored);
        } else {
            self.search.skip();
        }
        Ok(())
    }
}

impl Query<Object> for Key<'_, '_> {
    #[inline]
    fn differs(&self, stored: u64) -> bool {
        // Two ints, or two floats, that are not the same word. A float may equal an int.
        stored & TAG != 0 && stored & TAG == self.word & TAG
    }

    fn compare(&self, stored: &Word) -> KeyComparison {
        let Some(stored) = as_object(self.object.py(), stored) else {
            return KeyComparison::Unknown;
        };
        let alike = match self.kind {
            Kind::Str => stored.is_exact_instance_of::<PyString>(),
            Kind::Bytes => stored.is_exact_instance_of::<PyBytes>(),
            Kind::Number | Kind::Other => false,
        };
        if !alike {
            return KeyComparison::Unknown;
        }
        // SAFETY: both are alive, and exactly of one type, whose comparison runs no foreign code.
        match unsafe {
            ffi::PyObject_RichCompareBool(stored.as_ptr(), self.object.as_ptr(), ffi::Py_EQ)
        } {
            0 => KeyComparison::Different,
            1 => KeyComparison::Equal,
            _ => {
                drop(PyErr::take(self.object.py()));
                KeyComparison::Unknown
            }
        }
    }
}

/// Whether `value` is what a caller expects to find: the same object or, for exact ints, floats,
/// strings and bytes, an equal one of the same type.
pub(crate) fn expected(value: &Bound<'_, PyAny>, expected: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is(expected) {
        return Ok(true);
    }
    let plain = value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>();
    if !plain || !value.get_type().is(expected.get_type()) {
        return Ok(false);
    }
    value.eq(expected)
}
