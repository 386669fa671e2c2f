//! Maps and sets: what is hot of them. What is not (comparing, merging, printing) is Python, in `ungil/dicts.py`, whose classes
//! inherit from these.

mod change;
mod counter;
mod dict;
mod fast;
mod iterate;
mod key;
mod once;
mod set;

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use ungil_sync::table::Full;

/// How many parts a table has: enough that threads which add keys seldom meet, and few with a GIL, where they never do.
fn shards() -> usize {
    if crate::object::header::free_threaded() {
        (4 * ungil_sync::stripe::stripes()).clamp(32, 256)
    } else {
        16
    }
}

fn full(_: Full) -> PyErr {
    PyMemoryError::new_err("no memory for another entry")
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ABSENT", once::make_absent(module.py())?)?;
    module.add("Dict", fast::make(module.py())?)?;
    module.add_class::<set::Set>()?;
    module.add_class::<counter::Counter>()
}
