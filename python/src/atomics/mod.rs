//! Numbers and references that many threads change, one class per file, with two shared modules:
//! slots for any value (`cell`) and numbers passed from Python (`number`).

mod accumulator;
mod adder;
pub(crate) mod cell;
mod flag;
mod int;
pub(crate) mod number;
mod reference;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    adder::register(module)?;
    module.add_class::<accumulator::Accumulator>()?;
    int::register(module)?;
    module.add_class::<flag::AtomicFlag>()?;
    reference::register(module)
}
