//! The Python package's library: what `ungil_sync` offers, as Python classes.
//!
//! Every class is `frozen` (its state is atomics), tracked by the collector and, from its creation
//! on, counted by deference: an object that all threads name must not be a cache line that all
//! threads write. Nothing here calls Python, or drops a Python reference, while it holds an
//! internal lock; nothing blocks while attached to the interpreter.

mod array;
mod atomics;
mod concurrent_dict;
mod imported;
mod list;
mod locks;
mod object;
mod pool;
mod queues;
mod sharing;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _ungil(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    imported::register(module)?;
    object::count::look_up();
    object::header::inspect(module.py())?;
    object::block::mind_forks(module.py())?;
    sharing::register(module)?;
    atomics::register(module)?;
    concurrent_dict::register(module)?;
    queues::register(module)?;
    array::register(module)?;
    list::register(module)?;
    locks::register(module)?;
    pool::register(module)
}
