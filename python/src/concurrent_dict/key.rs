//! A Python object as a key: its hash, its word and its comparison. Ints and floats are stored as
//! immediate values, so comparing words compares them; exact strs and bytes are compared in place.
//! For every other key the search stops, `==` runs outside all locks and guards, and the search
//! resumes.

#![allow(unsafe_code)]

use crate::object::word::{self, as_object, borrow};
use crate::object::{Object, Word};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyString};
use ungil_sync::table::{CompareKeys, KeyComparison, Query, Search};

const TAG: u64 = 0b11;
const INT: u64 = 0b01;

/// The modulus of Python's hash of ints.
const MODULUS: i64 = (1 << 61) - 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyType {
    Number,
    Str,
    Bytes,
    Other,
}

/// A key to search for.
pub(crate) struct Key<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    kind: KeyType,
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
                return Ok(Self { object, kind: KeyType::Number, word, hash });
            }
            return Ok(Self { object, kind: KeyType::Number, word, hash: object.hash()? as u64 });
        }
        let kind = match () {
            () if object.is_exact_instance_of::<PyString>() => KeyType::Str,
            () if object.is_exact_instance_of::<PyBytes>() => KeyType::Bytes,
            () => KeyType::Other,
        };
        Ok(Self { object, kind, word: at as usize as u64, hash: object.hash()? as u64 })
    }

    /// Creates a key whose hash and comparison run no foreign code: an exact int, str or bytes.
    /// Returns `None` for other types.
    #[inline(always)]
    pub(crate) fn from_builtin(object: &'a Bound<'py, PyAny>) -> Option<Self> {
        let at = object.as_ptr();
        // SAFETY: alive while borrowed; strings and bytes have a hash.
        unsafe {
            if ffi::PyLong_CheckExact(at) != 0 {
                let word = word::unboxed(object)?;
                let value = (word as i64) >> 2;
                let hash = if value == -1 { -2 } else { value } as u64;
                return (value.unsigned_abs() < MODULUS as u64).then_some(Self {
                    object,
                    kind: KeyType::Number,
                    word,
                    hash,
                });
            }
            let kind = match ffi::PyUnicode_CheckExact(at) != 0 {
                true => KeyType::Str,
                false if ffi::PyBytes_CheckExact(at) != 0 => KeyType::Bytes,
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

    /// Starts a search for the key.
    #[inline(always)]
    pub(crate) fn start(&self) -> Search<Object> {
        Search::new(self.hash, self.word)
    }

    /// Returns an owned word of the key, to be stored.
    pub(crate) fn own(&self) -> Word {
        word::encode_key(self.object)
    }

    pub(crate) fn object(&self) -> &'a Bound<'py, PyAny> {
        self.object
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Runs a table operation, calling Python's `==` whenever it stops for a comparison.
    #[inline]
    pub(crate) fn search<R>(
        &self,
        operation: impl FnMut(&Self, &mut Search<Object>) -> Result<R, CompareKeys<Object>>,
    ) -> PyResult<R> {
        let mut search = self.key_search();
        search.run(operation)
    }

    /// Starts a search that several operations share.
    #[inline]
    pub(crate) fn key_search(&self) -> KeySearch<'_, 'a, 'py> {
        KeySearch { key: self, search: self.start() }
    }
}

/// A search that calls Python for comparisons.
pub(crate) struct KeySearch<'k, 'a, 'py> {
    key: &'k Key<'a, 'py>,
    pub(crate) search: Search<Object>,
}

impl<'a, 'py> KeySearch<'_, 'a, 'py> {
    /// Runs an operation as [`Key::search`] does.
    #[inline]
    pub(crate) fn run<R>(
        &mut self,
        mut operation: impl FnMut(&Key<'a, 'py>, &mut Search<Object>) -> Result<R, CompareKeys<Object>>,
    ) -> PyResult<R> {
        loop {
            match operation(self.key, &mut self.search) {
                Ok(result) => return Ok(result),
                Err(CompareKeys(stored)) => self.compare_in_python(stored)?,
            }
        }
    }

    #[cold]
    fn compare_in_python(&mut self, stored: Word) -> PyResult<()> {
        let object = borrow(self.key.object.py(), &stored)?;
        // `stored == key` in this order, as dict does; identity has been checked already.
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
        // Two ints or two floats with different words differ. A float may equal an int.
        stored & TAG != 0 && stored & TAG == self.word & TAG
    }

    fn compare(&self, stored: &Word) -> KeyComparison {
        let Some(stored) = as_object(self.object.py(), stored) else {
            return KeyComparison::Unknown;
        };
        let same_type = match self.kind {
            KeyType::Str => stored.is_exact_instance_of::<PyString>(),
            KeyType::Bytes => stored.is_exact_instance_of::<PyBytes>(),
            KeyType::Number | KeyType::Other => false,
        };
        if !same_type {
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

/// Returns true if `value` is the same object as `expected` or, for exact ints, floats, strs and
/// bytes, has the same type and value.
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
