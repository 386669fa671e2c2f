//! Waiting for a bulk operation, and helping with it meanwhile.

use super::bulk::Bulk;
use super::pool_state::PoolState;
use super::{sleep, worker};
use pyo3::prelude::*;
use std::sync::Arc;
use std::time::Instant;

impl Bulk {
    /// Waits until `ready` returns true; false if the deadline passes first. A worker of the same
    /// pool processes items itself and sleeps only when none is left to claim.
    pub(super) fn wait_until(
        self: &Arc<Self>,
        py: Python<'_>,
        pool: &Arc<PoolState>,
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> PyResult<bool> {
        if ready() {
            return Ok(true);
        }
        let Some(worker) = worker::current(pool.id) else {
            return sleep::until(py, &self.changed, deadline, ready);
        };
        self.run_worker(py, pool);
        if ready() {
            return Ok(true);
        }
        worker.while_blocked(py, || sleep::until(py, &self.changed, deadline, ready))
    }

    /// Runs the operation and waits for its end. If the wait is interrupted, drops the items not
    /// begun and waits for the running ones; a second interrupt ends the wait.
    pub(super) fn finish(self: &Arc<Self>, py: Python<'_>, pool: &Arc<PoolState>) -> PyResult<()> {
        let helps = usize::from(worker::current(pool.id).is_some());
        let invited =
            pool.invite(py, self, pool.wanted.min(self.chunks.len()).saturating_sub(helps));
        let over = || self.chunks.is_complete();
        if let Err(interrupt) = invited.and_then(|()| self.wait_until(py, pool, None, over)) {
            self.stop();
            self.wait_until(py, pool, None, over)?;
            return Err(interrupt);
        }
        self.take_error(py)
    }
}
