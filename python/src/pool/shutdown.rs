//! Shutdown of one pool, and of all pools with the interpreter: submitted tasks run first, and
//! every worker's thread is joined.

use super::pool_state::{PoolState, lock};
use super::process::{self, fork_count};
use super::{sleep, worker};
use crate::imported;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, Weak};

/// The pools whose threads must be joined.
static POOLS: Mutex<Vec<Weak<PoolState>>> = Mutex::new(Vec::new());

/// Adds a pool to [`POOLS`].
pub(super) fn register(pool: &Arc<PoolState>) {
    let mut pools = lock(&POOLS);
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// Shuts down every pool once its work is done. Called when the interpreter shuts down, before it
/// joins threads.
#[pyfunction(name = "_close_pools")]
pub(super) fn close_pools(py: Python<'_>) -> PyResult<()> {
    process::set_shutting_down();
    let pools: Vec<_> = lock(&POOLS).iter().filter_map(Weak::upgrade).collect();
    pools.iter().for_each(|pool| pool.close());
    for pool in pools {
        join(py, &pool)?;
    }
    Ok(())
}

/// Waits until every worker has ended.
pub(super) fn join(py: Python<'_>, pool: &PoolState) -> PyResult<()> {
    if pool.forks != fork_count() {
        return Ok(());
    }
    let current = imported::threading(py).call_method0("current_thread")?;
    if lock(&pool.threads).iter().any(|thread| thread.is(&current))
        && worker::current(pool.id).is_some()
    {
        return Err(PyRuntimeError::new_err("cannot join current thread"));
    }
    sleep::until(py, &pool.left, None, || pool.workers.is_empty())?;
    let threads = std::mem::take(&mut *lock(&pool.threads));
    for thread in threads {
        thread.call_method0(py, "join")?;
    }
    Ok(())
}
