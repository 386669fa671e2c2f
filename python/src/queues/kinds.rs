//! `Queue` and the two that differ from it in their order only.

use super::futures::{Enlisted, Futures, Side, helper};
use super::gates::{Gates, tell, tell_someone};
use super::order::{Order, Words, each, release, value};
use super::ranked::Ranked;
use super::waiting::{Patience, wait};
use super::{Error, error};
use crate::object::{encode, word};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::park::WaitSet;
use ungil_sync::queue::{Fifo, Refused, Stack};

/// Apart from the object, whose memory is not aligned for it.
struct Inner {
    order: Order,
    gates: Gates,
    futures: Futures,
    maxsize: isize,
}

/// A first-in, first-out queue for any number of producers and consumers: `queue.Queue`'s methods, semantics and exceptions, without its lock.
///
/// If `maxsize` is 0 or less, there is no bound; otherwise there are never more than `maxsize` items in it. What is put in is handed
/// over: the thread that takes it out owns it as if it had made it.
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

    /// Without a bound there is nothing to wait for, and `queue.Queue` does not look at what it is asked either.
    #[inline]
    fn patience_to_put(
        &self,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Patience> {
        if self.inner.maxsize > 0 { Patience::read(block, timeout) } else { Ok(Patience::Endless) }
    }

    #[inline]
    fn put_word(&self, py: Python<'_>, word: u64, patience: Patience) -> PyResult<()> {
        let Inner { order, gates, .. } = &*self.inner;
        let outcome = match order.put(py, word) {
            Ok(Ok(())) => {
                tell(&gates.items);
                return Ok(());
            }
            Ok(Err(Refused::NotNow)) => {
                self.look_at_tasks();
                let ready =
                    || each!(order, queue => queue.is_closed() || queue.len() < self.inner.maxsize as u64);
                wait(py, &gates.room, patience, Error::Full, ready, || order.put(py, word))
            }
            Ok(Err(Refused::Closed)) => Err(error(py, Error::ShutDown)),
            Err(raised) => Err(raised),
        };
        match outcome {
            Ok(()) => tell(&gates.items),
            Err(_) => {
                self.look_at_tasks();
                release(word);
            }
        }
        outcome
    }

    #[inline]
    fn get_word(&self, py: Python<'_>, patience: Patience) -> PyResult<u64> {
        let Inner { order, gates, .. } = &*self.inner;
        let word = match order.take(py)? {
            Ok(word) => word,
            Err(Refused::Closed) => return Err(error(py, Error::ShutDown)),
            Err(Refused::NotNow) => {
                let ready = || each!(order, queue => queue.is_closed() || !queue.is_empty());
                wait(py, &gates.items, patience, Error::Empty, ready, || order.take(py))?
            }
        };
        tell(&gates.room);
        Ok(word)
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

    /// Puts `item` in. If the queue is full, waits until there is room: for ever, or for `timeout` seconds, or, if `block` is false, not at
    /// all; then raises `queue.Full`. Raises `queue.ShutDown` if the queue was shut down.
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

    /// Takes an item out and returns it. If there is none, waits for one: for ever, or for `timeout` seconds, or, if `block` is false, not at
    /// all; then raises `queue.Empty`. Raises `queue.ShutDown` if the queue was shut down and is empty.
    #[pyo3(signature = (block = None, timeout = None), text_signature = "($self, block=True, timeout=None)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        value(py, self.get_word(py, Patience::read(block, timeout)?)?)
    }

    /// `get(block=False)`.
    fn get_nowait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value(py, self.get_word(py, Patience::None)?)
    }

    /// Puts the items of an iterable in, in order, others' possibly between them; waits for room as `put` does. Returns how many were put
    /// in: fewer than all only if time ran out or the queue was shut down. Raises `queue.Full` or `queue.ShutDown` if that is none.
    #[pyo3(signature = (items, block = None, timeout = None), text_signature = "($self, items, block=True, timeout=None)")]
    fn put_many(
        &self,
        items: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let patience = self.patience_to_put(block, timeout)?;
        let py = items.py();
        let mut words = Words::default();
        for item in items.try_iter()? {
            words.0.push(encode(&item?));
        }
        let mut put = 0;
        while put < words.0.len() {
            let many = match &self.inner.order {
                Order::Fifo(queue) => queue.put_many(&words.0[put..]).unwrap_or(0),
                _ => 0,
            };
            put += many;
            (0..many.min(self.inner.gates.items.len())).for_each(|_| tell_someone(&self.inner.gates.items));
            if many == 0 {
                // One, with all the waiting and the errors that belong to it.
                match self.put_word(py, std::mem::take(&mut words.0[put]), patience) {
                    Ok(()) => put += 1,
                    Err(refused) if put == 0 || !is_refusal(py, &refused) => {
                        words.0.drain(..put);
                        return Err(refused);
                    }
                    Err(_) => break,
                }
            }
        }
        words.0.drain(..put);
        Ok(put)
    }

    /// Takes up to `max` items out, as many as there are, and returns them in a list. If there is none, waits for one as `get` does.
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
        list.append(value(py, self.get_word(py, Patience::read(block, timeout)?)?)?)?;
        let mut words = Words::default();
        match &self.inner.order {
            Order::Fifo(queue) => {
                let _ = queue.take_many(max - 1, |word| words.0.push(word));
            }
            order => {
                while words.0.len() + 1 < max
                    && let Ok(Ok(word)) = order.take(py)
                {
                    words.0.push(word);
                }
            }
        }
        let room = &self.inner.gates.room;
        (0..words.0.len().min(room.len())).for_each(|_| tell_someone(room));
        for word in &mut words.0 {
            list.append(value(py, std::mem::take(word))?)?;
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

    /// Says that the work on an item that was taken out is done. Raises `ValueError` if called more often than items were put in.
    fn task_done(&self) -> PyResult<()> {
        match self.inner.gates.task_done(|| each!(&self.inner.order, queue => queue.puts())) {
            true => Ok(()),
            false => Err(PyValueError::new_err("task_done() called too many times")),
        }
    }

    /// Waits until `task_done` has been called for every item.
    fn join(&self, py: Python<'_>) -> PyResult<()> {
        let attempt = || if self.unfinished_tasks() == 0 { Ok(()) } else { Err(Refused::NotNow) };
        if attempt().is_ok() {
            return Ok(());
        }
        wait(py, &self.inner.gates.joiners, Patience::Endless, Error::Empty, || false, || Ok(attempt()))
    }

    /// Refuses all puts from now on, and all gets once the queue is empty: both raise `queue.ShutDown`, and so does who waits. If
    /// `immediate`, the queue is emptied now, and the tasks in it count as done.
    #[pyo3(signature = (immediate = None), text_signature = "($self, immediate=False)")]
    fn shutdown(&self, py: Python<'_>, immediate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let immediate = immediate.map_or(Ok(false), |flag| flag.is_truthy())?;
        let Inner { order, gates, .. } = &*self.inner;
        each!(order, queue => queue.close());
        if immediate {
            let words = match order {
                Order::Ranked(ranked) => ranked.take_all(py)?,
                _ => std::iter::from_fn(|| order.take(py).ok()?.ok()).collect(),
            };
            gates.drained(words.len() as u64, each!(order, queue => queue.puts()));
            gates.tell_all();
            words.into_iter().for_each(release);
        }
        gates.tell_all();
        Ok(())
    }

    /// `put` for coroutines: awaits room instead of blocking. Cancelled, it has put nothing in.
    fn put_async<'py>(slf: &Bound<'py, Self>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "put")?.call1((slf, item))
    }

    /// `get` for coroutines: awaits an item instead of blocking. Cancelled, it has taken nothing out.
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
        self.inner.futures.enlist(self.set(side), side, future)
    }

    fn _withdraw(&self, place: &Enlisted, unused: bool) {
        let told = !self.set(place.side).withdraw(place.ticket);
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
        let mut outcome = self.inner.futures.visit(&visit);
        each!(&self.inner.order, queue => queue.for_each(|item| {
            if outcome.is_ok() {
                outcome = word::visit(&ungil_sync::slot::Slot::new(item), visit.clone());
            }
        }));
        outcome
    }

    fn __clear__(&self) {
        self.inner.futures.clear();
        let words = match &self.inner.order {
            Order::Fifo(queue) => std::iter::from_fn(|| queue.take().ok()).collect(),
            Order::Lifo(stack) => std::iter::from_fn(|| stack.take().ok()).collect(),
            Order::Ranked(ranked) => ranked.clear(),
        };
        let words: Vec<u64> = words;
        words.into_iter().for_each(release);
    }
}

/// Whether an error says that there was no room or no queue any more.
fn is_refusal(py: Python<'_>, raised: &PyErr) -> bool {
    [Error::Full, Error::ShutDown].iter().any(|&which| raised.get_type(py).is(&error(py, which).get_type(py)))
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

/// `Queue`, the least item first. Items are compared by `<`, as `queue.PriorityQueue` does; mostly they are tuples `(priority, item)`.
///
/// Numbers, and tuples whose first items are different numbers, are compared without calling Python. Where a comparison is Python code, one thread
/// at a time reorders the queue and the others sleep. If it raises, the queue is as it was. It must not use the same queue.
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
