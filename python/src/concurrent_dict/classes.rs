//! The classes' data, and what their files have in common. Their methods are elsewhere, so that
//! those need not know each other.

use super::once::Latches;
use crate::object::{Object, header};
use pyo3::exceptions::{PyKeyError, PyMemoryError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ungil_sync::stripe::stripe_count;
use ungil_sync::table::{Table, TableAllocError};

/// The map.
#[pyclass(frozen, subclass, weakref, mapping, name = "Dict", module = "ungil._ungil")]
pub(crate) struct Dict {
    pub(super) table: Table<Object, Object>,
    pub(super) latches: Latches,
}

/// The set: a map whose values say nothing.
#[pyclass(frozen, subclass, weakref, name = "Set", module = "ungil._ungil")]
pub(crate) struct Set {
    pub(super) table: Table<Object, Object>,
}

/// How many parts a table has: enough that threads which add keys seldom meet, and few with a GIL,
/// where they never do.
pub(super) fn shards() -> usize {
    if header::free_threaded() { (4 * stripe_count()).clamp(32, 256) } else { 16 }
}

pub(super) fn full(_: TableAllocError) -> PyErr {
    PyMemoryError::new_err("no memory for another entry")
}

/// `KeyError(key)`, also when the key is a tuple.
pub(super) fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    match PyTuple::new(key.py(), [key]) {
        Ok(arguments) => PyKeyError::new_err(arguments.unbind()),
        Err(error) => error,
    }
}
