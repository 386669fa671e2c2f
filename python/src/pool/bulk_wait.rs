//! Waiting for a row of calls, and working on it meanwhile.

use super::bulk::Bulk;
use super::team::Team;
use super::{sleep, worker};
use pyo3::prelude::*;
use std::sync::Arc;
use std::time::Instant;

impl Bulk {
    /// Waits until `ready`. A worker of the same team works on the row, and sleeps only when there
    /// is nothing left of it to begin.
    pub(super) fn wait_until(
        self: &Arc<Self>,
        py: Python<'_>,
        team: &Arc<Team>,
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> PyResult<bool> {
        if ready() {
            return Ok(true);
        }
        let Some(worker) = worker::here(team.id) else {
            return sleep::until(py, &self.changed, deadline, ready);
        };
        self.take_part(py, team);
        if ready() {
            return Ok(true);
        }
        worker.while_waiting(py, || sleep::until(py, &self.changed, deadline, ready))
    }

    /// Has the row worked on and waits for its end. If the wait is interrupted, what has not begun
    /// is dropped and what runs is waited for; a second interrupt ends the wait.
    pub(super) fn finish(self: &Arc<Self>, py: Python<'_>, team: &Arc<Team>) -> PyResult<()> {
        let helps = usize::from(worker::here(team.id).is_some());
        let invited =
            team.invite(py, self, team.wanted.min(self.split.len()).saturating_sub(helps));
        let over = || self.split.is_complete();
        if let Err(interrupt) = invited.and_then(|()| self.wait_until(py, team, None, over)) {
            self.stop();
            self.wait_until(py, team, None, over)?;
            return Err(interrupt);
        }
        self.error(py)
    }
}
