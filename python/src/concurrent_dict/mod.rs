//! Maps and sets: the performance-critical part. Comparing, merging and printing is Python, in
//! `ungil/dicts.py`, whose classes inherit from these.

mod change;
mod classes;
mod counter;
mod dict;
mod fast;
mod iterate;
mod key;
mod once;
mod set;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ABSENT", once::make_absent(module.py())?)?;
    module.add("Dict", fast::make(module.py())?)?;
    module.add_class::<classes::Set>()?;
    module.add_class::<counter::Counter>()
}
