//! `ThreadPool` and `PerThread`.
//!
//! Python threads whose loop is in [`worker`] take tasks from `ungil_sync`'s scheduler: single
//! calls, each with its own future ([`future`]), and bulk operations that any number of workers
//! share ([`bulk`]). Objects in tasks have merged reference counts, so any worker may drop them
//! directly.
//!
//! The modules build on each other in this order: [`future`] and [`bulk`] hold the data of tasks,
//! [`task`] is one task, [`pool_state`] is shared by a pool's workers, [`bulk_part`] and [`worker`]
//! do the work, [`bulk_wait`] and [`future_methods`] wait for it, [`shutdown`] and [`executor`] own
//! the pools.

mod bulk;
mod bulk_part;
mod bulk_wait;
mod chunk_size;
mod errors;
mod executor;
mod fold;
mod future;
mod future_methods;
mod items;
mod iterator;
mod per_thread;
mod pool_state;
mod process;
mod shutdown;
mod sleep;
mod task;
mod watch;
mod worker;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    process::register_fork_handler(py)?;
    sleep::configure_spinning(py)?;
    module.add_class::<future::Future>()?;
    module.add_class::<executor::Executor>()?;
    module.add_class::<iterator::MapIterator>()?;
    per_thread::register(module)?;
    module.add_function(wrap_pyfunction!(shutdown::close_pools, module)?)
}
