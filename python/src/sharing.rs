//! To come: `share`.

use crate::object::count;
use pyo3::prelude::*;

/// Defers the count of a container that has just been made. Called by every class's `__init__`.
pub(crate) fn own(object: &Bound<'_, PyAny>) {
    count::defer(object);
}

pub(crate) fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
