//! `Queue` and the two that differ from it in their order only.

use super::futures::{Enlisted, Futures, Side, helper};
use super::gates::{Gates, tell, tell_someone};
use super::order::{Order, each};
use super::ranked::Ranked;
use super::waiting::{Attempt, Patience, wait};
use super::{Error, error};
use crate::object::{Word, decode, encode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::park::WaitSet;
use ungil_sync::queue::{Fifo, Stack, TryPopError, TryPushError};

/// Apart from the object, whose memory is not aligned for it.
struct Inner {
    order: Order,
    gates: Gates,
    futures: Futures,
    maxsize: isize,
}

/// A first-in, first-out queue for any number of producers and consumers: `queue.Queue`'s methods,
/// semantics and exceptions, without its lock.
///
/// If `maxsize` is 0 or less, there is no bound; otherwise there are never more than `maxsize`
/// items in it. What is put in is handed over: the thread that takes it out owns it as if it had
/// made it.
///
/// Thread safety: atomic, every method, linearizable.
#[pyclass(frozen, subclass, weakref, module = "ungil", generic)]
pub(crate) struct Queue {
    inner: Box<Inner>,
}

impl Queue {
    fn make(maxsize: isize, order: impl FnOnce(Option<u64>) -> Order) -> Self {
        let bound = u64::try_from(maxsize).ok().filter(|&bound| bound > 0);
        let (gates, futures) = Default::default();
        Self { inner: Box::new(Inner { order: order(bound), gates, futures, maxsize }) }
    }

    /// Without a bound there is nothing to wait for, and `queue.Queue` does not look at what it is
    /// asked either.
    #[inline]
    fn patience_to_put(
        &self,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Patience> {
        if self.inner.maxsize > 0 { Patience::read(block, timeout) } else { Ok(Patience::Endless) }
    }

    #[inline]
    fn put_word(&self, py: Python<'_>, item: Word, patience: Patience) -> PyResult<()> {
        let Inner { order, gates, .. } = &*self.inner;
        let outcome = match order.put(py, item) {
            Ok(Ok(())) => {
                tell(&gates.items);
                return Ok(());
            }
            Ok(Err(TryPushError::Full(item))) => self.put_patiently(py, item, patience),
            Ok(Err(TryPushError::Closed(_))) => Err(error(py, Error::ShutDown)),
            Err(raised) => Err(raised),
        };
        match outcome {
            Ok(()) => tell(&gates.items),
            Err(_) => self.look_at_tasks(),
        }
        outcome
    }

    #[cold]
    fn put_patiently(&self, py: Python<'_>, item: Word, patience: Patience) -> PyResult<()> {
        self.look_at_tasks();
        let Inner { order, gates, .. } = &*self.inner;
        let ready =
            || each!(order, queue => queue.is_closed() || queue.len() < self.inner.maxsize as u64);
        let mut item = Some(item);
        wait(py, &gates.room, patience, Error::Full, ready, || {
            // Gone after the last attempt only.
            let Some(mine) = item.take() else { return Ok(Attempt::Closed) };
            Ok(match order.put(py, mine)? {
                Ok(()) => Attempt::Done(()),
                Err(TryPushError::Closed(_)) => Attempt::Closed,
                Err(TryPushError::Full(mine)) => {
                    item = Some(mine);
                    Attempt::NotYet
                }
            })
        })
    }

    #[inline]
    fn get_word(&self, py: Python<'_>, patience: Patience) -> PyResult<Word> {
        let Inner { order, gates, .. } = &*self.inner;
        let item = match order.take(py)? {
            Ok(item) => item,
            Err(TryPopError::Closed) => return Err(error(py, Error::ShutDown)),
            Err(TryPopError::Empty) => {
                let ready = || each!(order, queue => queue.is_closed() || !queue.is_empty());
                wait(py, &gates.items, patience, Error::Empty, ready, || {
                    Ok(order.take(py)?.into())
                })?
            }
        };
        tell(&gates.room);
        Ok(item)
    }

    /// A put that came to nothing may have looked like a task to those who wait for all to be done.
    fn look_at_tasks(&self) {
        if !self.inner.gates.joiners.is_empty() && self.unfinished_tasks() == 0 {
            self.inner.gates.joiners.notify_all();
        }
    }

    fn set(&self, side: Side) -> &WaitSet {
        match side {
            Side::Items => &self.inner.gates.items,
            Side::Room => &self.inner.gates.room,
            Side::Joiners => &self.inner.gates.joiners,
        }
    }
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (maxsize = 0))]
    fn new(maxsize: isize) -> Self {
        Self::make(maxsize, |bound| Order::Fifo(Fifo::new(bound)))
    }

    #[pyo3(signature = (maxsize = 0))]
    fn __init__(slf: &Bound<'_, Self>, maxsize: isize) {
        let _ = maxsize;
        crate::sharing::own(slf.as_any());
    }

    /// The bound the queue was made with.
    #[getter]
    fn maxsize(&self) -> isize {
        self.inner.maxsize
    }

    /// Whether `shutdown` was called.
    #[getter]
    fn is_shutdown(&self) -> bool {
        each!(&self.inner.order, queue => queue.is_closed())
    }

    /// How many items were put in whose `task_done` has not been called.
    #[getter]
    fn unfinished_tasks(&self) -> u64 {
        self.inner.gates.unfinished(each!(&self.inner.order, queue => queue.puts()))
    }

    /// Puts `item` in. If the queue is full, waits until there is room: for ever, or for `timeout`
    /// seconds, or, if `block` is false, not at all; then raises `queue.Full`. Raises
    /// `queue.ShutDown` if the queue was shut down.
    #[pyo3(signature = (item, block = None, timeout = None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(
        &self,
        item: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let patience = self.patience_to_put(block, timeout)?;
        self.put_word(item.py(), encode(item), patience)
    }

    /// `put(item, block=False)`.
    fn put_nowait(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_word(item.py(), encode(item), Patience::None)
    }

    /// Takes an item out and returns it. If there is none, waits for one: for ever, or for
    /// `timeout` seconds, or, if `block` is false, not at all; then raises `queue.Empty`. Raises
    /// `queue.ShutDown` if the queue was shut down and is empty.
    #[pyo3(signature = (block = None, timeout = None), text_signature = "($self, block=True, timeout=None)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.get_word(py, Patience::read(block, timeout)?)?)
    }

    /// `get(block=False)`.
    fn get_nowait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.get_word(py, Patience::None)?)
    }

    /// Puts the items of an iterable in, in order, others' possibly between them; waits for room as
    /// `put` does. Returns how many were put in: fewer than all only if time ran out or the queue
    /// was shut down. Raises `queue.Full` or `queue.ShutDown` if that is none.
    #[pyo3(signature = (items, block = None, timeout = None), text_signature = "($self, items, block=True, timeout=None)")]
    fn put_many(
        &self,
        items: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let patience = self.patience_to_put(block, timeout)?;
        let py = items.py();
        let mut words = Vec::new();
        for item in items.try_iter()? {
            words.push(encode(&item?));
        }
        let (mut words, gates) = (words.into_iter(), &self.inner.gates);
        let mut put = 0;
        loop {
            if let Order::Fifo(queue) = &self.inner.order {
                let many = queue.put_many(&mut words);
                put += many;
                (0..many.min(gates.items.len())).for_each(|_| tell_someone(&gates.items));
            }
            // One, with all the waiting and the errors that belong to it.
            let Some(word) = words.next() else { return Ok(put) };
            match self.put_word(py, word, patience) {
                Ok(()) => put += 1,
                Err(refused) if put == 0 || !is_refusal(py, &refused) => return Err(refused),
                Err(_) => return Ok(put),
            }
        }
    }

    /// Takes up to `max` items out, as many as there are, and returns them in a list. If there is
    /// none, waits for one as `get` does.
    #[pyo3(signature = (max, block = None, timeout = None), text_signature = "($self, max, block=True, timeout=None)")]
    fn get_many<'py>(
        &self,
        py: Python<'py>,
        max: isize,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let Ok(max @ 1..) = usize::try_from(max) else {
            return Err(PyValueError::new_err(format!("'max' must be at least 1, not {max}")));
        };
        let list = PyList::empty(py);
        list.append(decode(py, self.get_word(py, Patience::read(block, timeout)?)?)?)?;
        let mut words = Vec::new();
        match &self.inner.order {
            Order::Fifo(queue) => _ = queue.take_many(max - 1, |word| words.push(word)),
            order => {
                while words.len() + 1 < max
                    && let Ok(Ok(word)) = order.take(py)
                {
                    words.push(word);
                }
            }
        }
        let room = &self.inner.gates.room;
        (0..words.len().min(room.len())).for_each(|_| tell_someone(room));
        for word in words {
            list.append(decode(py, word)?)?;
        }
        Ok(list)
    }

    /// How many items there are.
    fn qsize(&self) -> u64 {
        each!(&self.inner.order, queue => queue.len())
    }

    /// Whether there is no item.
    fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether there is no room.
    fn full(&self) -> bool {
        self.inner.maxsize > 0 && self.qsize() >= self.inner.maxsize as u64
    }

    /// Says that the work on an item that was taken out is done. Raises `ValueError` if called more
    /// often than items were put in.
    fn task_done(&self) -> PyResult<()> {
        match self.inner.gates.task_done(|| each!(&self.inner.order, queue => queue.puts())) {
            true => Ok(()),
            false => Err(PyValueError::new_err("task_done() called too many times")),
        }
    }

    /// Waits until `task_done` has been called for every item.
    fn join(&self, py: Python<'_>) -> PyResult<()> {
        let done = || self.unfinished_tasks() == 0;
        if done() {
            return Ok(());
        }
        wait(
            py,
            &self.inner.gates.joiners,
            Patience::Endless,
            Error::Empty,
            || false,
            || Ok(if done() { Attempt::Done(()) } else { Attempt::NotYet }),
        )
    }

    /// Refuses all puts from now on, and all gets once the queue is empty: both raise
    /// `queue.ShutDown`, and so does who waits. If `immediate`, the queue is emptied now, and the
    /// tasks in it count as done.
    #[pyo3(signature = (immediate = None), text_signature = "($self, immediate=False)")]
    fn shutdown(&self, py: Python<'_>, immediate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let immediate = immediate.map_or(Ok(false), |flag| flag.is_truthy())?;
        let Inner { order, gates, .. } = &*self.inner;
        each!(order, queue => queue.close());
        if immediate {
            let words = match order {
                Order::Ranked(ranked) => ranked.take_all(py)?,
                _ => order.clear(),
            };
            gates.drained(words.len() as u64, each!(order, queue => queue.puts()));
            gates.tell_all();
            drop(words);
        }
        gates.tell_all();
        Ok(())
    }

    /// `put` for coroutines: awaits room instead of blocking. Cancelled, it has put nothing in.
    fn put_async<'py>(
        slf: &Bound<'py, Self>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "put")?.call1((slf, item))
    }

    /// `get` for coroutines: awaits an item instead of blocking. Cancelled, it has taken nothing
    /// out.
    fn get_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "get")?.call1((slf,))
    }

    /// `join` for coroutines.
    fn join_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "join")?.call1((slf,))
    }

    fn _enlist(&self, side: &str, future: &Bound<'_, PyAny>) -> PyResult<Enlisted> {
        let side = match side {
            "items" => Side::Items,
            "room" => Side::Room,
            _ => Side::Joiners,
        };
        self.inner.futures.register(self.set(side), side, future)
    }

    fn _withdraw(&self, place: &Enlisted, unused: bool) {
        let told = !self.set(place.side).unregister(place.ticket);
        self.inner.futures.forget(place);
        if told && unused {
            tell_someone(self.set(place.side));
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().qualname()?;
        let queue = slf.get();
        let shut = if queue.is_shutdown() { ", shut down" } else { "" };
        Ok(format!("<{name} of {} items, maxsize={}{shut}>", queue.qsize(), queue.inner.maxsize))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.inner.futures.visit(&visit)?;
        self.inner.order.traverse(visit)
    }

    fn __clear__(&self) {
        self.inner.futures.clear();
        drop(self.inner.order.clear());
    }
}

/// Whether an error says that there was no room or no queue any more.
fn is_refusal(py: Python<'_>, raised: &PyErr) -> bool {
    [Error::Full, Error::ShutDown]
        .iter()
        .any(|&which| raised.get_type(py).is(error(py, which).get_type(py)))
}

/// `Queue`, last in, first out.
#[pyclass(frozen, subclass, extends = Queue, module = "ungil")]
pub(crate) struct LifoQueue;

#[pymethods]
impl LifoQueue {
    #[new]
    #[pyo3(signature = (maxsize = 0))]
    fn new(maxsize: isize) -> PyClassInitializer<Self> {
        let queue = Queue::make(maxsize, |bound| Order::Lifo(Stack::new(bound)));
        PyClassInitializer::from(queue).add_subclass(Self)
    }
}

/// `Queue`, the least item first. Items are compared by `<`, as `queue.PriorityQueue` does; mostly
/// they are tuples `(priority, item)`.
///
/// Numbers, and tuples whose first items are different numbers, are compared without calling
/// Python. Where a comparison is Python code, one thread at a time reorders the queue and the
/// others sleep. If it raises, the queue is as it was. It must not use the same queue.
#[pyclass(frozen, subclass, extends = Queue, module = "ungil")]
pub(crate) struct PriorityQueue;

#[pymethods]
impl PriorityQueue {
    #[new]
    #[pyo3(signature = (maxsize = 0))]
    fn new(maxsize: isize) -> PyClassInitializer<Self> {
        let queue = Queue::make(maxsize, |bound| Order::Ranked(Ranked::new(bound)));
        PyClassInitializer::from(queue).add_subclass(Self)
    }
}
