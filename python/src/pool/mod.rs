//! `ThreadPool` and `PerThread`.
//!
//! Python threads whose loop is written here ([`worker`]) take tasks from `ungil_sync`'s scheduler:
//! single calls, each of which is its own future ([`future`]), and rows of items that any number of
//! workers share ([`bulk`]). A task is one object, handed over when it is queued, so that whichever
//! worker drops it does so alone.
//!
//! Each file uses those before it: [`future`] and [`bulk`] hold what tasks are, [`task`] is one of
//! them, [`team`] is what a pool's workers share, [`bulk_part`] and [`worker`] do the work,
//! [`bulk_wait`] and [`future_methods`] wait for it, [`shutdown`] and [`executor`] own the teams.

mod bulk;
mod bulk_part;
mod bulk_wait;
mod executor;
mod fold;
mod future;
mod future_methods;
mod items;
mod iterator;
mod names;
mod pace;
mod per_thread;
mod process;
mod shutdown;
mod sleep;
mod task;
mod team;
mod watch;
mod worker;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    process::count_forks(py)?;
    sleep::look_around(py)?;
    module.add_class::<future::Future>()?;
    module.add_class::<executor::Executor>()?;
    module.add_class::<iterator::MapIterator>()?;
    per_thread::register(module)?;
    module.add_function(wrap_pyfunction!(shutdown::close_pools, module)?)
}
