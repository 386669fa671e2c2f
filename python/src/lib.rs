//! The library of the Python package: the structures of `ungil_sync` as Python classes.
//!
//! Every class is `frozen` (its state is atomics), tracked by the garbage collector, and uses
//! deferred reference counting from its creation on, so that an object used by all threads is not a
//! cache line written by all threads. No internal lock is held while Python is called or a Python
//! reference is dropped, and nothing blocks while attached to the interpreter.

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
    object::count::resolve_functions();
    object::header::detect(module.py())?;
    object::block::register_fork_handler(module.py())?;
    sharing::register(module)?;
    atomics::register(module)?;
    concurrent_dict::register(module)?;
    queues::register(module)?;
    array::register(module)?;
    list::register(module)?;
    locks::register(module)?;
    pool::register(module)
}
