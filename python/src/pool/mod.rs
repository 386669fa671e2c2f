//! `ThreadPool` and `PerThread`.
//!
//! Python threads whose loop is written here ([`worker`]) take tasks from `ungil_sync`'s scheduler: single calls, each of which is its own
//! future ([`future`]), and rows of items that any number of workers share ([`bulk`]). A task is one object, handed over when it is queued, so
//! that whichever worker drops it does so alone.

mod bulk;
mod ending;
mod executor;
mod fold;
mod future;
mod future_methods;
mod items;
mod iterator;
mod names;
mod pace;
mod per_thread;
mod sleep;
mod team;
mod watch;
mod worker;

use bulk::Bulk;
use future::Future;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What lies in a pool's queues.
pub(crate) enum Task {
    /// One call: it is the future, too.
    Call(Py<Future>),
    /// An invitation to work on a row of items.
    Bulk(Arc<Bulk>),
}

/// How often the process has been forked on the way here. A pool belongs to the process it was made in.
static FORKS: AtomicU32 = AtomicU32::new(0);

fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let count =
            PyCFunction::new_closure(py, None, None, |_, _| _ = FORKS.fetch_add(1, Ordering::Relaxed))?;
        os.call_method("register_at_fork", (), Some(&[("after_in_child", count)].into_py_dict(py)?))?;
    }
    sleep::look_around(py)?;
    module.add_class::<future::Future>()?;
    module.add_class::<executor::Executor>()?;
    module.add_class::<iterator::MapIterator>()?;
    per_thread::register(module)?;
    module.add_function(wrap_pyfunction!(ending::close_pools, module)?)
}
