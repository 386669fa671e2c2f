//! A priority queue ordered by `<`, which may be arbitrary Python code: it may raise, block, call
//! back or run for a long time. So it never runs under the lock that guards the heap. An operation
//! first tries comparisons that need no Python (numbers, and tuples that begin with different
//! numbers). If those do not suffice, it detaches the heap, works on it alone, and returns it.
//! Threads that come meanwhile sleep, detached from the interpreter.
//!
//! A skip list would let comparisons overlap, but all consumers contend for the least item anyway.

use super::QueueError;
use super::waiting::{Attempt, WaitLimit, wait};
use crate::object::Word;
use crate::object::word::borrow;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::cmp::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use ungil_sync::park::WaitSet;
use ungil_sync::queue::{Heap, TryPopError, TryPushError};
use ungil_sync::stripe::thread_number;

/// The part of an item that can be compared without Python.
#[derive(Clone, Copy)]
enum SortKey {
    Int(i64),
    Float(f64),
    Unknown,
}

struct PriorityEntry {
    key: SortKey,
    /// True if the key belongs to the first item of a tuple.
    tuple: bool,
    item: Word,
}

/// The comparison needs Python.
struct NeedsPython;

impl PriorityEntry {
    fn new(py: Python<'_>, item: Word) -> PyResult<Self> {
        let value = borrow(py, &item)?;
        let first = value.cast_exact::<PyTuple>().map(|tuple| tuple.get_item(0));
        let (key, tuple) = match first {
            Ok(Ok(first)) => (sort_key(&first), true),
            Ok(Err(_)) => (SortKey::Unknown, false),
            Err(_) => (sort_key(&value), false),
        };
        Ok(Self { key, tuple, item })
    }

    fn less(&self, other: &Self) -> Result<bool, NeedsPython> {
        let order = match (self.key, other.key) {
            _ if self.tuple != other.tuple => None,
            (SortKey::Int(a), SortKey::Int(b)) => Some(a.cmp(&b)),
            (SortKey::Float(a), SortKey::Float(b)) => a.partial_cmp(&b),
            (SortKey::Int(a), SortKey::Float(b)) => exact_f64(a).and_then(|a| a.partial_cmp(&b)),
            (SortKey::Float(a), SortKey::Int(b)) => exact_f64(b).and_then(|b| a.partial_cmp(&b)),
            _ => None,
        };
        match order {
            None => Err(NeedsPython),
            Some(Ordering::Equal) if self.tuple => Err(NeedsPython),
            Some(order) => Ok(order == Ordering::Less),
        }
    }

    fn less_in_python(&self, other: &Self, py: Python<'_>) -> PyResult<bool> {
        self.less(other).or_else(|NeedsPython| borrow(py, &self.item)?.lt(borrow(py, &other.item)?))
    }
}

fn sort_key(item: &Bound<'_, PyAny>) -> SortKey {
    if item.is_exact_instance_of::<pyo3::types::PyInt>() {
        item.extract().map_or(SortKey::Unknown, SortKey::Int)
    } else if item.is_exact_instance_of::<pyo3::types::PyFloat>() {
        item.extract().map_or(SortKey::Unknown, SortKey::Float)
    } else {
        SortKey::Unknown
    }
}

/// Converts an int to a float if that is exact.
fn exact_f64(int: i64) -> Option<f64> {
    (int.unsigned_abs() <= 1 << 53).then_some(int as f64)
}

#[derive(Default)]
struct PriorityState {
    /// None while a thread has detached the heap for comparisons in Python.
    heap: Option<Heap<PriorityEntry>>,
    /// The number and process id of the thread that last detached the heap.
    detached_by: (usize, u32),
    len: u64,
    puts: u64,
    closed: bool,
}

pub(super) struct PriorityHeap {
    state: Mutex<PriorityState>,
    /// Threads that wait for the heap to return.
    heap_returned: WaitSet,
    bound: u64,
}

/// The detached heap. Dropping it returns the heap.
struct DetachedHeap<'q> {
    owner: &'q PriorityHeap,
    heap: Heap<PriorityEntry>,
    put: bool,
}

impl Drop for DetachedHeap<'_> {
    fn drop(&mut self) {
        let mut state = self.owner.state();
        state.len = self.heap.len() as u64;
        state.puts += u64::from(self.put);
        state.heap = Some(std::mem::take(&mut self.heap));
        drop(state);
        self.owner.heap_returned.notify_one();
    }
}

impl PriorityHeap {
    pub(super) fn new(bound: Option<u64>) -> Self {
        let state =
            Mutex::new(PriorityState { heap: Some(Heap::default()), ..PriorityState::default() });
        Self { state, heap_returned: WaitSet::default(), bound: bound.unwrap_or(u64::MAX) }
    }

    fn state(&self) -> MutexGuard<'_, PriorityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `operation` under the lock as soon as the heap is not detached.
    fn with_heap<R>(
        &self,
        py: Python<'_>,
        mut operation: impl FnMut(&mut PriorityState) -> R,
    ) -> PyResult<R> {
        let mut attempt = || {
            let mut state = self.state();
            if state.heap.is_some() {
                return Ok(Attempt::Done(operation(&mut state)));
            }
            let detached_by = state.detached_by;
            drop(state);
            if detached_by.1 != std::process::id() {
                let message = "a thread of the parent process was reordering this queue when the process forked, \
                               so its items are not available here: create a new queue in the child";
                return Err(PyRuntimeError::new_err(message));
            }
            if detached_by.0 == thread_number() {
                let message = "a comparison of a queue's items used the same queue: comparisons must not use it";
                return Err(PyRuntimeError::new_err(message));
            }
            Ok(Attempt::NotYet)
        };
        let done = match attempt()? {
            Attempt::Done(done) => done,
            _ => wait(
                py,
                &self.heap_returned,
                WaitLimit::Forever,
                QueueError::Empty,
                || false,
                attempt,
            )?,
        };
        if !self.heap_returned.is_empty() {
            self.heap_returned.notify_one();
        }
        Ok(done)
    }

    fn detach(&self, state: &mut PriorityState) -> Option<DetachedHeap<'_>> {
        state.detached_by = (thread_number(), std::process::id());
        state.heap.take().map(|heap| DetachedHeap { owner: self, heap, put: false })
    }

    pub(super) fn put(
        &self,
        py: Python<'_>,
        item: Word,
    ) -> PyResult<Result<(), TryPushError<Word>>> {
        let mut entry = Some(PriorityEntry::new(py, item)?);
        let detached = self.with_heap(py, |state| {
            let Some(mine) = entry.take() else { return Ok(None) };
            if state.closed {
                return Err(TryPushError::Closed(mine.item));
            }
            if state.len >= self.bound {
                return Err(TryPushError::Full(mine.item));
            }
            let Some(heap) = &mut state.heap else { return Ok(None) };
            match heap.push(mine, PriorityEntry::less) {
                Ok(()) => {
                    state.len += 1;
                    state.puts += 1;
                    Ok(None)
                }
                Err((mine, NeedsPython)) => Ok(self.detach(state).map(|detached| (detached, mine))),
            }
        })?;
        match detached {
            Err(error) => Ok(Err(error)),
            Ok(None) => Ok(Ok(())),
            Ok(Some((mut detached, mine))) => {
                match detached.heap.push(mine, |a, b| a.less_in_python(b, py)) {
                    Ok(()) => {
                        detached.put = true;
                        Ok(Ok(()))
                    }
                    Err((rejected, raised)) => {
                        // The heap is returned before the item is dropped, because its finalizer
                        // may use the queue.
                        drop(detached);
                        drop(rejected);
                        Err(raised)
                    }
                }
            }
        }
    }

    pub(super) fn take(&self, py: Python<'_>) -> PyResult<Result<Word, TryPopError>> {
        let outcome = self.with_heap(py, |state| {
            let error = if state.closed { TryPopError::Closed } else { TryPopError::Empty };
            let Some(heap) = &mut state.heap else { return Err(Err(error)) };
            match heap.pop(PriorityEntry::less) {
                Ok(Some(entry)) => {
                    state.len -= 1;
                    Ok(entry.item)
                }
                Ok(None) => Err(Err(error)),
                Err(NeedsPython) => Err(self.detach(state).ok_or(error)),
            }
        })?;
        match outcome {
            Ok(item) => Ok(Ok(item)),
            Err(Ok(mut detached)) => match detached.heap.pop(|a, b| a.less_in_python(b, py))? {
                Some(entry) => Ok(Ok(entry.item)),
                None => Ok(Err(TryPopError::Empty)),
            },
            Err(Err(error)) => Ok(Err(error)),
        }
    }

    /// Takes all items out, in no particular order.
    pub(super) fn take_all(&self, py: Python<'_>) -> PyResult<Vec<Word>> {
        self.with_heap(py, Self::take_all_from)
    }

    /// As [`Self::take_all`], but takes nothing if the heap is detached.
    pub(super) fn clear(&self) -> Vec<Word> {
        Self::take_all_from(&mut self.state())
    }

    fn take_all_from(state: &mut PriorityState) -> Vec<Word> {
        let Some(heap) = &mut state.heap else { return Vec::new() };
        state.len = 0;
        heap.take_all().into_iter().map(|entry| entry.item).collect()
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    pub(super) fn len(&self) -> u64 {
        self.state().len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn puts(&self) -> u64 {
        self.state().puts
    }

    /// For the collector, while all threads are stopped. Items of a detached heap are not visited,
    /// and so not collected.
    pub(super) fn for_each(&self, each: impl FnMut(&Word)) {
        if let Ok(state) = self.state.try_lock()
            && let Some(heap) = &state.heap
        {
            heap.iter().map(|entry| &entry.item).for_each(each);
        }
    }
}

impl Drop for PriorityHeap {
    fn drop(&mut self) {
        self.clear().into_iter().for_each(Word::dispose);
    }
}
