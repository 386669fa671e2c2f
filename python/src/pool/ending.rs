//! The end of the interpreter: what was submitted is run first, and every worker's thread is waited for.

use super::team::{Team, lock};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Every team whose threads must be waited for.
static TEAMS: Mutex<Vec<Weak<Team>>> = Mutex::new(Vec::new());
/// The interpreter ends.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether the interpreter ends.
#[inline]
pub(super) fn has_begun() -> bool {
    BEGUN.load(Ordering::SeqCst)
}

/// Remembers a team.
pub(super) fn note(team: &Arc<Team>) {
    let mut teams = lock(&TEAMS);
    teams.retain(|team| team.strong_count() > 0);
    teams.push(Arc::downgrade(team));
}

/// Ends every pool once its work is done. Called when the interpreter ends, before it waits for threads.
#[pyfunction(name = "_close_pools")]
pub(super) fn close_pools(py: Python<'_>) -> PyResult<()> {
    BEGUN.store(true, Ordering::SeqCst);
    let teams: Vec<_> = lock(&TEAMS).iter().filter_map(Weak::upgrade).collect();
    teams.iter().for_each(|team| team.close());
    for team in teams {
        team.join(py)?;
    }
    Ok(())
}
