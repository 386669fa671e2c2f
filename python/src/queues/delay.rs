//! The Python class `DelayQueue`.

use super::futures::{Registration, WaitReason, WaitingFutures, helper};
use super::wait_queues::wake_one_slow;
use super::waiting::WaitLimit;
use super::{QueueError, queue_error};
use crate::object::{Word, block, decode, encode, word};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ungil_sync::park::{Parker, WaitSet, Waiter};
use ungil_sync::queue::Heap;

/// An item and the time at which it is due. Items due at the same time come out in FIFO order.
struct DelayedItem {
    due: Instant,
    sequence: u64,
    item: Word,
}

fn earlier(a: &DelayedItem, b: &DelayedItem) -> Result<bool, Infallible> {
    Ok((a.due, a.sequence) < (b.due, b.sequence))
}

#[derive(Default)]
struct DelayState {
    heap: Heap<DelayedItem>,
    next_sequence: u64,
    closed: bool,
}

/// Result of [`DelayQueue::try_take`].
enum DelayedTake {
    Item(Word),
    /// No item is due. Holds the time at which the first one will be.
    NotDue(Option<Instant>),
    Closed,
}

/// A queue whose items can be taken out once their delay has passed, in the order in which they are
/// due.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, subclass, weakref, module = "ungil", generic)]
#[derive(Default)]
pub(crate) struct DelayQueue {
    state: Mutex<DelayState>,
    waiting: WaitSet,
    futures: WaitingFutures,
}

impl DelayQueue {
    fn state(&self) -> MutexGuard<'_, DelayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(&self) -> DelayedTake {
        let mut state = self.state();
        let due = state.heap.first().map(|entry| entry.due);
        if due.is_some_and(|due| due <= Instant::now())
            && let Ok(Some(entry)) = state.heap.pop(earlier)
        {
            return DelayedTake::Item(entry.item);
        }
        if due.is_none() && state.closed { DelayedTake::Closed } else { DelayedTake::NotDue(due) }
    }

    /// Wakes another waiter when a thread stops waiting, because that thread may have been the only
    /// one waiting for the first item to become due.
    fn wake_successor(&self) {
        if !self.waiting.is_empty() && !self.state().heap.is_empty() {
            wake_one_slow(&self.waiting);
        }
    }

    fn take(&self, py: Python<'_>, limit: WaitLimit) -> PyResult<Word> {
        let deadline = limit.deadline();
        loop {
            let parker = Arc::new(Parker::new(std::ptr::from_ref(&self.waiting).addr()));
            let ticket = match limit {
                WaitLimit::NonBlocking => None,
                _ => Some(self.waiting.register(Waiter::Thread(parker.clone()))),
            };
            let stop_waiting = || {
                if let Some(ticket) = ticket {
                    self.waiting.unregister(ticket);
                }
                self.wake_successor();
            };
            let due = match self.try_take() {
                DelayedTake::Item(item) => {
                    stop_waiting();
                    return Ok(item);
                }
                DelayedTake::Closed => {
                    stop_waiting();
                    return Err(queue_error(py, QueueError::ShutDown));
                }
                DelayedTake::NotDue(due) => due,
            };
            let late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if late || ticket.is_none() {
                stop_waiting();
                return Err(queue_error(py, QueueError::Empty));
            }
            let until = [deadline, due].into_iter().flatten().min();
            if let Err(raised) = block::park(py, &parker, until) {
                stop_waiting();
                return Err(raised);
            }
            if let Some(ticket) = ticket {
                self.waiting.unregister(ticket);
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
        crate::sharing::defer_count(slf.as_any());
    }

    /// Puts `item` into the queue, to be taken out after `delay` seconds. Raises `queue.ShutDown`
    /// if the queue was shut down.
    #[pyo3(signature = (item, delay = 0.0))]
    fn put(&self, item: &Bound<'_, PyAny>, delay: f64) -> PyResult<()> {
        let py = item.py();
        let due = Duration::try_from_secs_f64(delay)
            .ok()
            .and_then(|delay| Instant::now().checked_add(delay));
        let Some(due) = due else {
            let message = format!(
                "'delay' must be a number of seconds between 0 and a few centuries, not {delay}"
            );
            return Err(PyValueError::new_err(message));
        };
        let item = encode(item);
        let mut state = self.state();
        if state.closed {
            drop(state);
            return Err(queue_error(py, QueueError::ShutDown));
        }
        let sequence = state.next_sequence;
        state.next_sequence += 1;
        let first = state.heap.first().is_none_or(|first| due < first.due);
        let _ = state.heap.push(DelayedItem { due, sequence, item }, earlier);
        drop(state);
        if first && !self.waiting.is_empty() {
            wake_one_slow(&self.waiting);
        }
        Ok(())
    }

    /// Takes out the item that has been due for longest. If none is due, waits for one: forever,
    /// for `timeout` seconds, or, if `block` is false, not at all, and then raises `queue.Empty`.
    /// Raises `queue.ShutDown` if the queue was shut down and is empty.
    #[pyo3(signature = (block = None, timeout = None), text_signature = "($self, block=True, timeout=None)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.take(py, WaitLimit::read(block, timeout)?)?)
    }

    /// Same as `get(block=False)`.
    fn get_nowait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.take(py, WaitLimit::NonBlocking)?)
    }

    /// `get` for coroutines: awaits an item instead of blocking. If cancelled, it has taken no
    /// item.
    fn get_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "get_due")?.call1((slf,))
    }

    /// Returns the number of items, due or not.
    fn qsize(&self) -> usize {
        self.state().heap.len()
    }

    /// Returns true if there is no item, due or not.
    fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// True if `shutdown` was called.
    #[getter]
    fn is_shutdown(&self) -> bool {
        self.state().closed
    }

    /// Makes all later puts fail, and all gets once the queue is empty. If `immediate`, empties the
    /// queue now.
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

    /// Returns the seconds until the first item is due, if there is one.
    fn _due_in(&self) -> Option<f64> {
        let due = self.state().heap.first()?.due;
        Some(due.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    fn _enlist(&self, future: &Bound<'_, PyAny>) -> PyResult<Registration> {
        self.futures.register(&self.waiting, WaitReason::Items, future)
    }

    fn _withdraw(&self, registration: &Registration, unused: bool) {
        self.waiting.unregister(registration.ticket);
        self.futures.forget(registration);
        if unused {
            self.wake_successor();
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
