//! The data of the classes, and functions that several of their files use. Methods are in the other
//! files, which therefore do not depend on each other.

use super::once::KeyLatches;
use crate::object::{Object, header};
use pyo3::exceptions::{PyKeyError, PyMemoryError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ungil_sync::stripe::stripe_count;
use ungil_sync::table::{Table, TableAllocError};

/// The core of `ConcurrentDict`.
#[pyclass(frozen, subclass, weakref, mapping, name = "Dict", module = "ungil._ungil")]
pub(crate) struct Dict {
    pub(super) table: Table<Object, Object>,
    pub(super) latches: KeyLatches,
}

/// The core of `ConcurrentSet`: a map with dummy values.
#[pyclass(frozen, subclass, weakref, name = "Set", module = "ungil._ungil")]
pub(crate) struct Set {
    pub(super) table: Table<Object, Object>,
}

/// Returns the number of shards of a table: with free threading enough that threads adding keys
/// rarely contend; few with a GIL, where they never do.
pub(super) fn shards() -> usize {
    if header::free_threaded() { (4 * stripe_count()).clamp(32, 256) } else { 16 }
}

pub(super) fn full(_: TableAllocError) -> PyErr {
    PyMemoryError::new_err("no memory for another entry")
}

/// Returns `KeyError(key)`, even if the key is a tuple.
pub(super) fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    match PyTuple::new(key.py(), [key]) {
        Ok(arguments) => PyKeyError::new_err(arguments.unbind()),
        Err(error) => error,
    }
}
