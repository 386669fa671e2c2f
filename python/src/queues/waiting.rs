//! Waiting until something can be done.

use super::gates::tell_someone;
use super::{Error, error};
use crate::object::block;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use ungil_sync::park::{Parker, WaitSet, Waiter};
use ungil_sync::queue::TryPopError;

/// How often to look again before sleeping. None where nobody else can make progress meanwhile.
static LOOKS: AtomicU32 = AtomicU32::new(0);

/// Finds out whether it pays to look again.
pub(super) fn look_around(py: Python<'_>) -> PyResult<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let gil = match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(asked) => asked.call0()?.is_truthy()?,
        None => true,
    };
    LOOKS.store(if processors > 1 && !gil { 60 } else { 0 }, Ordering::Relaxed);
    Ok(())
}

/// What `block` and `timeout` ask for.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// Reads the two arguments, with `queue`'s defaults and errors.
    #[inline]
    pub(super) fn read(
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if let Some(block) = block
            && !block.is_truthy()?
        {
            return Ok(Self::None);
        }
        timeout.map_or(Ok(Self::Endless), Self::of)
    }

    /// Reads a timeout.
    #[cold]
    pub(super) fn of(timeout: &Bound<'_, PyAny>) -> PyResult<Self> {
        let seconds: f64 = timeout.extract()?;
        if seconds < 0.0 {
            return Err(PyValueError::new_err("'timeout' must be a non-negative number"));
        }
        Ok(block::deadline(Some(seconds))?.map_or(Self::Endless, Self::Until))
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(instant) => Some(instant),
            _ => None,
        }
    }
}

/// The outcome of an attempt at a queue.
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

/// Does what `attempt` attempts as soon as it succeeds, waiting in `set` in between. `attempt` has
/// been refused once before.
#[cold]
pub(super) fn wait<R>(
    py: Python<'_>,
    set: &WaitSet,
    patience: Patience,
    late: Error,
    ready: impl Fn() -> bool,
    mut attempt: impl FnMut() -> PyResult<Attempt<R>>,
) -> PyResult<R> {
    let mut attempt = || match attempt() {
        Ok(Attempt::Done(done)) => Some(Ok(done)),
        Ok(Attempt::Closed) => Some(Err(error(py, Error::ShutDown))),
        Ok(Attempt::NotYet) => None,
        Err(raised) => Some(Err(raised)),
    };
    if matches!(patience, Patience::None) {
        return Err(error(py, late));
    }
    for _ in 0..LOOKS.load(Ordering::Relaxed) {
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
                // Told of something else, which somebody else should hear.
                tell_someone(set);
            }
            return outcome;
        }
        match block::park(py, &parker, patience.deadline()) {
            Ok(true) => {
                if let Some(outcome) = attempt() {
                    if outcome.is_err() {
                        tell_someone(set);
                    }
                    return outcome;
                }
            }
            Ok(false) => {
                // Told at the last moment: then there may be something.
                if !set.unregister(ticket)
                    && let Some(outcome) = attempt()
                {
                    if outcome.is_err() {
                        tell_someone(set);
                    }
                    return outcome;
                }
                return Err(error(py, late));
            }
            Err(raised) => {
                if !set.unregister(ticket) {
                    tell_someone(set);
                }
                return Err(raised);
            }
        }
    }
}
