//! `Array`, a fixed number of slots, and `MappedArray`, numbers read from a file.

mod buffer;
mod build;
mod class;
pub(crate) mod index;
pub(crate) mod iterator;
mod mapped;
mod store;

pub(crate) use class::Array;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    class::register(module)?;
    module.add_class::<iterator::SlotIterator>()?;
    module.add_class::<mapped::MappedArray>()
}
