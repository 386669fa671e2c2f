//! Items ordered by `<`, which may be anybody's code: it may raise, block, call back or run for
//! long. So it never runs under the lock that guards the heap. An operation first tries to do with
//! comparisons that need no Python (numbers, and tuples that begin with different ones); only when
//! that is not enough it takes the heap away, works on it alone, and puts it back. Who comes
//! meanwhile sleeps, detached.
//!
//! A skip list would let comparisons overlap, but the least item is one place that all takers meet
//! at anyway.

use super::Error;
use super::waiting::{Attempt, Patience, wait};
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

/// What an item is compared by, as far as that is known without Python.
#[derive(Clone, Copy)]
enum Rank {
    Int(i64),
    Float(f64),
    Unknown,
}

struct Entry {
    rank: Rank,
    /// Whether the rank is that of the item's first item.
    tuple: bool,
    item: Word,
}

/// There is no telling without Python.
struct AskPython;

impl Entry {
    fn new(py: Python<'_>, item: Word) -> PyResult<Self> {
        let value = borrow(py, &item)?;
        let first = value.cast_exact::<PyTuple>().map(|tuple| tuple.get_item(0));
        let (rank, tuple) = match first {
            Ok(Ok(first)) => (rank(&first), true),
            Ok(Err(_)) => (Rank::Unknown, false),
            Err(_) => (rank(&value), false),
        };
        Ok(Self { rank, tuple, item })
    }

    fn less(&self, other: &Self) -> Result<bool, AskPython> {
        let order = match (self.rank, other.rank) {
            _ if self.tuple != other.tuple => None,
            (Rank::Int(a), Rank::Int(b)) => Some(a.cmp(&b)),
            (Rank::Float(a), Rank::Float(b)) => a.partial_cmp(&b),
            (Rank::Int(a), Rank::Float(b)) => exact(a).and_then(|a| a.partial_cmp(&b)),
            (Rank::Float(a), Rank::Int(b)) => exact(b).and_then(|b| a.partial_cmp(&b)),
            _ => None,
        };
        match order {
            None => Err(AskPython),
            Some(Ordering::Equal) if self.tuple => Err(AskPython),
            Some(order) => Ok(order == Ordering::Less),
        }
    }

    fn less_by_python(&self, other: &Self, py: Python<'_>) -> PyResult<bool> {
        self.less(other).or_else(|AskPython| borrow(py, &self.item)?.lt(borrow(py, &other.item)?))
    }
}

fn rank(item: &Bound<'_, PyAny>) -> Rank {
    if item.is_exact_instance_of::<pyo3::types::PyInt>() {
        item.extract().map_or(Rank::Unknown, Rank::Int)
    } else if item.is_exact_instance_of::<pyo3::types::PyFloat>() {
        item.extract().map_or(Rank::Unknown, Rank::Float)
    } else {
        Rank::Unknown
    }
}

/// An int as a float, if that is the same number.
fn exact(int: i64) -> Option<f64> {
    (int.unsigned_abs() <= 1 << 53).then_some(int as f64)
}

#[derive(Default)]
struct State {
    /// Not here while a thread compares items by Python.
    heap: Option<Heap<Entry>>,
    /// Which one, of which process.
    away_with: (usize, u32),
    len: u64,
    puts: u64,
    closed: bool,
}

pub(super) struct Ranked {
    state: Mutex<State>,
    /// Those who wait for the heap to come back.
    turn: WaitSet,
    bound: u64,
}

/// The heap, taken away; it comes back whatever happens.
struct Away<'q> {
    ranked: &'q Ranked,
    heap: Heap<Entry>,
    put: bool,
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let mut state = self.ranked.state();
        state.len = self.heap.len() as u64;
        state.puts += u64::from(self.put);
        state.heap = Some(std::mem::take(&mut self.heap));
        drop(state);
        self.ranked.turn.notify_one();
    }
}

impl Ranked {
    pub(super) fn new(bound: Option<u64>) -> Self {
        let state = Mutex::new(State { heap: Some(Heap::default()), ..State::default() });
        Self { state, turn: WaitSet::default(), bound: bound.unwrap_or(u64::MAX) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `what` when the heap is here: at once, or when it has come back.
    fn when_here<R>(&self, py: Python<'_>, mut what: impl FnMut(&mut State) -> R) -> PyResult<R> {
        let mut attempt = || {
            let mut state = self.state();
            if state.heap.is_some() {
                return Ok(Attempt::Done(what(&mut state)));
            }
            let away_with = state.away_with;
            drop(state);
            if away_with.1 != std::process::id() {
                let message = "this queue was being reordered by a thread of the parent process when it forked, \
                               and its items stayed there: make a new queue in the child";
                return Err(PyRuntimeError::new_err(message));
            }
            if away_with.0 == thread_number() {
                let message =
                    "a comparison of a queue's items used the same queue: compare without it";
                return Err(PyRuntimeError::new_err(message));
            }
            Ok(Attempt::NotYet)
        };
        let done = match attempt()? {
            Attempt::Done(done) => done,
            _ => wait(py, &self.turn, Patience::Endless, Error::Empty, || false, attempt)?,
        };
        if !self.turn.is_empty() {
            self.turn.notify_one();
        }
        Ok(done)
    }

    fn take_away(&self, state: &mut State) -> Option<Away<'_>> {
        state.away_with = (thread_number(), std::process::id());
        state.heap.take().map(|heap| Away { ranked: self, heap, put: false })
    }

    pub(super) fn put(
        &self,
        py: Python<'_>,
        item: Word,
    ) -> PyResult<Result<(), TryPushError<Word>>> {
        let mut entry = Some(Entry::new(py, item)?);
        let away = self.when_here(py, |state| {
            let Some(mine) = entry.take() else { return Ok(None) };
            if state.closed {
                return Err(TryPushError::Closed(mine.item));
            }
            if state.len >= self.bound {
                return Err(TryPushError::Full(mine.item));
            }
            let Some(heap) = &mut state.heap else { return Ok(None) };
            match heap.push(mine, Entry::less) {
                Ok(()) => {
                    state.len += 1;
                    state.puts += 1;
                    Ok(None)
                }
                Err((mine, AskPython)) => Ok(self.take_away(state).map(|away| (away, mine))),
            }
        })?;
        match away {
            Err(refused) => Ok(Err(refused)),
            Ok(None) => Ok(Ok(())),
            Ok(Some((mut away, mine))) => {
                match away.heap.push(mine, |a, b| a.less_by_python(b, py)) {
                    Ok(()) => {
                        away.put = true;
                        Ok(Ok(()))
                    }
                    Err((refused, raised)) => {
                        // The heap is back before the item goes, whose finalizer may use the queue.
                        drop(away);
                        drop(refused);
                        Err(raised)
                    }
                }
            }
        }
    }

    pub(super) fn take(&self, py: Python<'_>) -> PyResult<Result<Word, TryPopError>> {
        let outcome = self.when_here(py, |state| {
            let refused = if state.closed { TryPopError::Closed } else { TryPopError::Empty };
            let Some(heap) = &mut state.heap else { return Err(Err(refused)) };
            match heap.pop(Entry::less) {
                Ok(Some(entry)) => {
                    state.len -= 1;
                    Ok(entry.item)
                }
                Ok(None) => Err(Err(refused)),
                Err(AskPython) => Err(self.take_away(state).ok_or(refused)),
            }
        })?;
        match outcome {
            Ok(item) => Ok(Ok(item)),
            Err(Ok(mut away)) => match away.heap.pop(|a, b| a.less_by_python(b, py))? {
                Some(entry) => Ok(Ok(entry.item)),
                None => Ok(Err(TryPopError::Empty)),
            },
            Err(Err(refused)) => Ok(Err(refused)),
        }
    }

    /// Takes everything out, in no order.
    pub(super) fn take_all(&self, py: Python<'_>) -> PyResult<Vec<Word>> {
        self.when_here(py, Self::empty_out)
    }

    /// The same, unless a thread is at work on it.
    pub(super) fn clear(&self) -> Vec<Word> {
        Self::empty_out(&mut self.state())
    }

    fn empty_out(state: &mut State) -> Vec<Word> {
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

    /// For the collector, while all threads stand still. What is away is not seen, and so not
    /// collected.
    pub(super) fn for_each(&self, each: impl FnMut(&Word)) {
        if let Ok(state) = self.state.try_lock()
            && let Some(heap) = &state.heap
        {
            heap.iter().map(|entry| &entry.item).for_each(each);
        }
    }
}

impl Drop for Ranked {
    fn drop(&mut self) {
        self.clear().into_iter().for_each(Word::dispose);
    }
}
