//! Waiting until an operation on a queue succeeds.

use super::wait_queues::wake_one_slow;
use super::{QueueError, queue_error};
use crate::object::block;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use ungil_sync::park::{Parker, WaitSet, Waiter};
use ungil_sync::queue::TryPopError;

/// How often to poll before sleeping. 0 if no other thread can make progress meanwhile.
static SPIN_ROUNDS: AtomicU32 = AtomicU32::new(0);

/// Decides whether waiting threads spin. Called when the module is imported.
pub(super) fn configure_spinning(py: Python<'_>) -> PyResult<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let gil = match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(function) => function.call0()?.is_truthy()?,
        None => true,
    };
    SPIN_ROUNDS.store(if processors > 1 && !gil { 60 } else { 0 }, Ordering::Relaxed);
    Ok(())
}

/// How long an operation waits, from the `block` and `timeout` arguments.
#[derive(Clone, Copy)]
pub(super) enum WaitLimit {
    NonBlocking,
    Until(Instant),
    Forever,
}

impl WaitLimit {
    /// Reads the two arguments, with the defaults and errors of the `queue` module.
    #[inline]
    pub(super) fn read(
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if let Some(block) = block
            && !block.is_truthy()?
        {
            return Ok(Self::NonBlocking);
        }
        timeout.map_or(Ok(Self::Forever), Self::from_timeout)
    }

    /// Reads a timeout.
    #[cold]
    pub(super) fn from_timeout(timeout: &Bound<'_, PyAny>) -> PyResult<Self> {
        let seconds: f64 = timeout.extract()?;
        if seconds < 0.0 {
            return Err(PyValueError::new_err("'timeout' must be a non-negative number"));
        }
        Ok(block::deadline(Some(seconds))?.map_or(Self::Forever, Self::Until))
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(instant) => Some(instant),
            _ => None,
        }
    }
}

/// Result of an attempt at an operation.
pub(super) enum Attempt<R> {
    Done(R),
    /// It may succeed later.
    NotYet,
    /// The queue was shut down.
    Closed,
}

impl<R> From<Result<R, TryPopError>> for Attempt<R> {
    fn from(result: Result<R, TryPopError>) -> Self {
        match result {
            Ok(done) => Self::Done(done),
            Err(TryPopError::Empty) => Self::NotYet,
            Err(TryPopError::Closed) => Self::Closed,
        }
    }
}

/// Repeats `attempt` until it succeeds, waiting in `set` in between. The caller has made one
/// unsuccessful attempt. Raises `late` when the limit passes.
#[cold]
pub(super) fn wait<R>(
    py: Python<'_>,
    set: &WaitSet,
    limit: WaitLimit,
    late: QueueError,
    ready: impl Fn() -> bool,
    mut attempt: impl FnMut() -> PyResult<Attempt<R>>,
) -> PyResult<R> {
    let mut attempt = || match attempt() {
        Ok(Attempt::Done(done)) => Some(Ok(done)),
        Ok(Attempt::Closed) => Some(Err(queue_error(py, QueueError::ShutDown))),
        Ok(Attempt::NotYet) => None,
        Err(raised) => Some(Err(raised)),
    };
    if matches!(limit, WaitLimit::NonBlocking) {
        return Err(queue_error(py, late));
    }
    for _ in 0..SPIN_ROUNDS.load(Ordering::Relaxed) {
        (0..8).for_each(|_| std::hint::spin_loop());
        if ready()
            && let Some(outcome) = attempt()
        {
            return outcome;
        }
    }
    loop {
        let parker = Arc::new(Parker::new(std::ptr::from_ref(set).addr()));
        let ticket = set.register(Waiter::Thread(parker.clone()));
        if let Some(outcome) = attempt() {
            if !set.unregister(ticket) {
                // The notification was for another change, which another waiter should see.
                wake_one_slow(set);
            }
            return outcome;
        }
        match block::park(py, &parker, limit.deadline()) {
            Ok(true) => {
                if let Some(outcome) = attempt() {
                    if outcome.is_err() {
                        wake_one_slow(set);
                    }
                    return outcome;
                }
            }
            Ok(false) => {
                // Notified at the last moment: the operation may succeed now.
                if !set.unregister(ticket)
                    && let Some(outcome) = attempt()
                {
                    if outcome.is_err() {
                        wake_one_slow(set);
                    }
                    return outcome;
                }
                return Err(queue_error(py, late));
            }
            Err(raised) => {
                if !set.unregister(ticket) {
                    wake_one_slow(set);
                }
                return Err(raised);
            }
        }
    }
}
