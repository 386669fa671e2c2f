//! The end of a pool, and of all pools with the interpreter: what was submitted is run first, and
//! every worker's thread is waited for.

use super::process::{self, forks};
use super::team::{Team, lock};
use super::{sleep, worker};
use crate::imported;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, Weak};

/// Every team whose threads must be waited for.
static TEAMS: Mutex<Vec<Weak<Team>>> = Mutex::new(Vec::new());

/// Remembers a team.
pub(super) fn note(team: &Arc<Team>) {
    let mut teams = lock(&TEAMS);
    teams.retain(|team| team.strong_count() > 0);
    teams.push(Arc::downgrade(team));
}

/// Ends every pool once its work is done. Called when the interpreter ends, before it waits for
/// threads.
#[pyfunction(name = "_close_pools")]
pub(super) fn close_pools(py: Python<'_>) -> PyResult<()> {
    process::end();
    let teams: Vec<_> = lock(&TEAMS).iter().filter_map(Weak::upgrade).collect();
    teams.iter().for_each(|team| team.close());
    for team in teams {
        join(py, &team)?;
    }
    Ok(())
}

/// Waits until every worker has gone.
pub(super) fn join(py: Python<'_>, team: &Team) -> PyResult<()> {
    if team.forks != forks() {
        return Ok(());
    }
    let me = imported::threading(py).call_method0("current_thread")?;
    if lock(&team.threads).iter().any(|thread| thread.is(&me)) && worker::here(team.id).is_some() {
        return Err(PyRuntimeError::new_err("cannot join current thread"));
    }
    sleep::until(py, &team.left, None, || team.staff.is_empty())?;
    let threads = std::mem::take(&mut *lock(&team.threads));
    for thread in threads {
        thread.call_method0(py, "join")?;
    }
    Ok(())
}
