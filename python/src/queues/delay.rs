//! `DelayQueue`.

use super::futures::{Enlisted, Futures, Side, helper};
use super::gates::tell_someone;
use super::waiting::Patience;
use super::{Error, error};
use crate::object::{Word, block, decode, encode, word};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, WaitSet, Waiter};
use ungil_sync::queue::Heap;

/// When an item is due; those due at the same time come out in the order they were put in.
struct Entry {
    due: Instant,
    number: u64,
    item: Word,
}

fn earlier(a: &Entry, b: &Entry) -> Result<bool, Infallible> {
    Ok((a.due, a.number) < (b.due, b.number))
}

#[derive(Default)]
struct State {
    heap: Heap<Entry>,
    number: u64,
    closed: bool,
}

/// What a taker finds.
enum Found {
    Item(Word),
    /// Nothing that is due; the first item will be then.
    Later(Option<Instant>),
    Closed,
}

/// A queue whose items can be taken out once their delay has passed, the one that is due first,
/// first.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, subclass, weakref, module = "ungil", generic)]
#[derive(Default)]
pub(crate) struct DelayQueue {
    state: Mutex<State>,
    waiting: WaitSet,
    futures: Futures,
}

impl DelayQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Found {
        let mut state = self.state();
        let due = state.heap.first().map(|entry| entry.due);
        if due.is_some_and(|due| due <= Instant::now())
            && let Ok(Some(entry)) = state.heap.pop(earlier)
        {
            return Found::Item(entry.item);
        }
        if due.is_none() && state.closed { Found::Closed } else { Found::Later(due) }
    }

    /// Who stops waiting leaves nobody who knows of the next item: somebody else must look when it
    /// is due.
    fn hand_on(&self) {
        if !self.waiting.is_empty() && !self.state().heap.is_empty() {
            tell_someone(&self.waiting);
        }
    }

    fn take_patiently(&self, py: Python<'_>, patience: Patience) -> PyResult<Word> {
        let deadline = patience.deadline();
        loop {
            let parker = Arc::new(Parker::new(std::ptr::from_ref(&self.waiting).addr()));
            let place = match patience {
                Patience::None => None,
                _ => Some(self.waiting.register(Waiter::Thread(parker.clone()))),
            };
            let leave = || {
                if let Some(place) = place {
                    self.waiting.unregister(place);
                }
                self.hand_on();
            };
            let due = match self.take() {
                Found::Item(item) => {
                    leave();
                    return Ok(item);
                }
                Found::Closed => {
                    leave();
                    return Err(error(py, Error::ShutDown));
                }
                Found::Later(due) => due,
            };
            let late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if late || place.is_none() {
                leave();
                return Err(error(py, Error::Empty));
            }
            let until = [deadline, due].into_iter().flatten().min();
            if let Err(raised) = block::park(py, &parker, until) {
                leave();
                return Err(raised);
            }
            if let Some(place) = place {
                self.waiting.unregister(place);
            }
        }
    }
}

#[pymethods]
impl DelayQueue {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::own(slf.as_any());
    }

    /// Puts `item` in, to be taken out after `delay` seconds. Raises `queue.ShutDown` if the queue
    /// was shut down.
    #[pyo3(signature = (item, delay = 0.0))]
    fn put(&self, item: &Bound<'_, PyAny>, delay: f64) -> PyResult<()> {
        let py = item.py();
        let due = Duration::try_from_secs_f64(delay)
            .ok()
            .and_then(|delay| Instant::now().checked_add(delay));
        let Some(due) = due else {
            let message = format!(
                "'delay' must be a number of seconds from 0 to some centuries, not {delay}"
            );
            return Err(PyValueError::new_err(message));
        };
        let item = encode(item);
        let mut state = self.state();
        if state.closed {
            drop(state);
            return Err(error(py, Error::ShutDown));
        }
        let number = state.number;
        state.number += 1;
        let first = state.heap.first().is_none_or(|first| due < first.due);
        let _ = state.heap.push(Entry { due, number, item }, earlier);
        drop(state);
        if first && !self.waiting.is_empty() {
            tell_someone(&self.waiting);
        }
        Ok(())
    }

    /// Takes out the item that has been due for longest. If none is due, waits for one: for ever,
    /// or for `timeout` seconds, or, if `block` is false, not at all; then raises `queue.Empty`.
    /// Raises `queue.ShutDown` if the queue was shut down and is empty.
    #[pyo3(signature = (block = None, timeout = None), text_signature = "($self, block=True, timeout=None)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.take_patiently(py, Patience::read(block, timeout)?)?)
    }

    /// `get(block=False)`.
    fn get_nowait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.take_patiently(py, Patience::None)?)
    }

    /// `get` for coroutines: awaits an item instead of blocking. Cancelled, it has taken nothing
    /// out.
    fn get_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "get_due")?.call1((slf,))
    }

    /// How many items there are, due or not.
    fn qsize(&self) -> usize {
        self.state().heap.len()
    }

    /// Whether there is no item, due or not.
    fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether `shutdown` was called.
    #[getter]
    fn is_shutdown(&self) -> bool {
        self.state().closed
    }

    /// Refuses all puts from now on, and all gets once the queue is empty. If `immediate`, it is
    /// emptied now.
    #[pyo3(signature = (immediate = None), text_signature = "($self, immediate=False)")]
    fn shutdown(&self, immediate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let immediate = immediate.map_or(Ok(false), |flag| flag.is_truthy())?;
        let mut state = self.state();
        state.closed = true;
        let dropped = if immediate { state.heap.take_all() } else { Vec::new() };
        drop(state);
        self.waiting.notify_all();
        drop(dropped);
        Ok(())
    }

    /// Seconds until the first item is due, if there is one.
    fn _due_in(&self) -> Option<f64> {
        let due = self.state().heap.first()?.due;
        Some(due.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    fn _enlist(&self, future: &Bound<'_, PyAny>) -> PyResult<Enlisted> {
        self.futures.register(&self.waiting, Side::Items, future)
    }

    fn _withdraw(&self, place: &Enlisted, unused: bool) {
        self.waiting.unregister(place.ticket);
        self.futures.forget(place);
        if unused {
            self.hand_on();
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{} of {} items>", slf.get_type().qualname()?, slf.get().qsize()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.futures.visit(&visit)?;
        if let Ok(state) = self.state.try_lock() {
            for entry in state.heap.iter() {
                word::visit_word(&entry.item, visit)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.futures.clear();
        let dropped = self.state().heap.take_all();
        drop(dropped);
    }
}

impl Drop for DelayQueue {
    fn drop(&mut self) {
        let dropped = self.state().heap.take_all();
        dropped.into_iter().for_each(|entry| entry.item.dispose());
    }
}
