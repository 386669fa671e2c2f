//! The Python class `Queue`, and `LifoQueue` and `PriorityQueue`, which differ from it in their
//! order only.

use super::futures::{Registration, WaitReason, WaitingFutures, helper};
use super::order::{QueueOrder, each};
use super::priority::PriorityHeap;
use super::wait_queues::{WaitQueues, wake_one, wake_one_slow};
use super::waiting::{Attempt, WaitLimit, wait};
use super::{QueueError, queue_error};
use crate::object::{Word, decode, encode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::park::WaitSet;
use ungil_sync::queue::{Fifo, Stack, TryPopError, TryPushError};

/// Boxed, because a Python object's memory is not aligned to cache lines.
struct QueueInner {
    order: QueueOrder,
    wait_queues: WaitQueues,
    futures: WaitingFutures,
    maxsize: isize,
}

/// A first-in, first-out queue for any number of producers and consumers, with the methods,
/// semantics and exceptions of `queue.Queue`, but without its lock.
///
/// If `maxsize` is 0 or less, the queue is unbounded; otherwise it never holds more than `maxsize`
/// items. An item's reference count is merged when it is put in, so the thread that takes it out
/// can drop it as cheaply as if it had created it.
///
/// Thread safety: atomic and linearizable, every method.
#[pyclass(frozen, subclass, weakref, module = "ungil", generic)]
pub(crate) struct Queue {
    inner: Box<QueueInner>,
}

impl Queue {
    fn make(maxsize: isize, order: impl FnOnce(Option<u64>) -> QueueOrder) -> Self {
        let bound = u64::try_from(maxsize).ok().filter(|&bound| bound > 0);
        let (wait_queues, futures) = Default::default();
        Self { inner: Box::new(QueueInner { order: order(bound), wait_queues, futures, maxsize }) }
    }

    /// Reads the arguments of `put`. They are ignored if the queue is unbounded, as in
    /// `queue.Queue`.
    #[inline]
    fn put_limit(
        &self,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<WaitLimit> {
        if self.inner.maxsize > 0 {
            WaitLimit::read(block, timeout)
        } else {
            Ok(WaitLimit::Forever)
        }
    }

    #[inline]
    fn put_word(&self, py: Python<'_>, item: Word, limit: WaitLimit) -> PyResult<()> {
        let QueueInner { order, wait_queues, .. } = &*self.inner;
        let outcome = match order.put(py, item) {
            Ok(Ok(())) => {
                wake_one(&wait_queues.items);
                return Ok(());
            }
            Ok(Err(TryPushError::Full(item))) => self.put_slow(py, item, limit),
            Ok(Err(TryPushError::Closed(_))) => Err(queue_error(py, QueueError::ShutDown)),
            Err(raised) => Err(raised),
        };
        match outcome {
            Ok(()) => wake_one(&wait_queues.items),
            Err(_) => self.recheck_joiners(),
        }
        outcome
    }

    #[cold]
    fn put_slow(&self, py: Python<'_>, item: Word, limit: WaitLimit) -> PyResult<()> {
        self.recheck_joiners();
        let QueueInner { order, wait_queues, .. } = &*self.inner;
        let ready =
            || each!(order, queue => queue.is_closed() || queue.len() < self.inner.maxsize as u64);
        let mut item = Some(item);
        wait(py, &wait_queues.space, limit, QueueError::Full, ready, || {
            // Empty only after the last attempt.
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
    fn get_word(&self, py: Python<'_>, limit: WaitLimit) -> PyResult<Word> {
        let QueueInner { order, wait_queues, .. } = &*self.inner;
        let item = match order.take(py)? {
            Ok(item) => item,
            Err(TryPopError::Closed) => return Err(queue_error(py, QueueError::ShutDown)),
            Err(TryPopError::Empty) => {
                let ready = || each!(order, queue => queue.is_closed() || !queue.is_empty());
                wait(py, &wait_queues.items, limit, QueueError::Empty, ready, || {
                    Ok(order.take(py)?.into())
                })?
            }
        };
        wake_one(&wait_queues.space);
        Ok(item)
    }

    /// Wakes the joiners if all tasks are done. Called after a failed put, which may have looked
    /// like an unfinished task to them.
    fn recheck_joiners(&self) {
        if !self.inner.wait_queues.joiners.is_empty() && self.unfinished_tasks() == 0 {
            self.inner.wait_queues.joiners.notify_all();
        }
    }

    fn wait_set(&self, side: WaitReason) -> &WaitSet {
        match side {
            WaitReason::Items => &self.inner.wait_queues.items,
            WaitReason::Space => &self.inner.wait_queues.space,
            WaitReason::Joiners => &self.inner.wait_queues.joiners,
        }
    }
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (maxsize = 0))]
    fn new(maxsize: isize) -> Self {
        Self::make(maxsize, |bound| QueueOrder::Fifo(Fifo::new(bound)))
    }

    #[pyo3(signature = (maxsize = 0))]
    fn __init__(slf: &Bound<'_, Self>, maxsize: isize) {
        let _ = maxsize;
        crate::sharing::defer_count(slf.as_any());
    }

    /// The bound passed to the constructor.
    #[getter]
    fn maxsize(&self) -> isize {
        self.inner.maxsize
    }

    /// True if `shutdown` was called.
    #[getter]
    fn is_shutdown(&self) -> bool {
        each!(&self.inner.order, queue => queue.is_closed())
    }

    /// The number of items put in for which `task_done` has not been called.
    #[getter]
    fn unfinished_tasks(&self) -> u64 {
        self.inner.wait_queues.unfinished(each!(&self.inner.order, queue => queue.puts()))
    }

    /// Puts `item` into the queue. If the queue is full, waits for free space: forever, for
    /// `timeout` seconds, or, if `block` is false, not at all, and then raises `queue.Full`. Raises
    /// `queue.ShutDown` if the queue was shut down.
    #[pyo3(signature = (item, block = None, timeout = None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(
        &self,
        item: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let limit = self.put_limit(block, timeout)?;
        self.put_word(item.py(), encode(item), limit)
    }

    /// Same as `put(item, block=False)`.
    fn put_nowait(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_word(item.py(), encode(item), WaitLimit::NonBlocking)
    }

    /// Takes an item out and returns it. If the queue is empty, waits for an item: forever, for
    /// `timeout` seconds, or, if `block` is false, not at all, and then raises `queue.Empty`.
    /// Raises `queue.ShutDown` if the queue was shut down and is empty.
    #[pyo3(signature = (block = None, timeout = None), text_signature = "($self, block=True, timeout=None)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.get_word(py, WaitLimit::read(block, timeout)?)?)
    }

    /// Same as `get(block=False)`.
    fn get_nowait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, self.get_word(py, WaitLimit::NonBlocking)?)
    }

    /// Puts the items of an iterable into the queue in order, possibly interleaved with those of
    /// other threads, waiting for free space as `put` does. Returns how many were put in: fewer
    /// than all only if the time ran out or the queue was shut down. Raises `queue.Full` or
    /// `queue.ShutDown` if none was.
    #[pyo3(signature = (items, block = None, timeout = None), text_signature = "($self, items, block=True, timeout=None)")]
    fn put_many(
        &self,
        items: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let limit = self.put_limit(block, timeout)?;
        let py = items.py();
        let mut words = Vec::new();
        for item in items.try_iter()? {
            words.push(encode(&item?));
        }
        let (mut words, wait_queues) = (words.into_iter(), &self.inner.wait_queues);
        let mut put = 0;
        loop {
            if let QueueOrder::Fifo(queue) = &self.inner.order {
                let count = queue.put_many(&mut words);
                put += count;
                (0..count.min(wait_queues.items.len()))
                    .for_each(|_| wake_one_slow(&wait_queues.items));
            }
            // The next item alone, with the waiting and errors of a single put.
            let Some(word) = words.next() else { return Ok(put) };
            match self.put_word(py, word, limit) {
                Ok(()) => put += 1,
                Err(error) if put == 0 || !is_full_or_shut_down(py, &error) => return Err(error),
                Err(_) => return Ok(put),
            }
        }
    }

    /// Takes up to `max` items out and returns them in a list. If the queue is empty, waits for an
    /// item as `get` does.
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
        list.append(decode(py, self.get_word(py, WaitLimit::read(block, timeout)?)?)?)?;
        let mut words = Vec::new();
        match &self.inner.order {
            QueueOrder::Fifo(queue) => _ = queue.take_many(max - 1, |word| words.push(word)),
            order => {
                while words.len() + 1 < max
                    && let Ok(Ok(word)) = order.take(py)
                {
                    words.push(word);
                }
            }
        }
        let space = &self.inner.wait_queues.space;
        (0..words.len().min(space.len())).for_each(|_| wake_one_slow(space));
        for word in words {
            list.append(decode(py, word)?)?;
        }
        Ok(list)
    }

    /// Returns the number of items.
    fn qsize(&self) -> u64 {
        each!(&self.inner.order, queue => queue.len())
    }

    /// Returns true if the queue is empty.
    fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Returns true if the queue is full.
    fn full(&self) -> bool {
        self.inner.maxsize > 0 && self.qsize() >= self.inner.maxsize as u64
    }

    /// Records that the work on an item taken out is done. Raises `ValueError` if called more often
    /// than items were put in.
    fn task_done(&self) -> PyResult<()> {
        match self.inner.wait_queues.task_done(|| each!(&self.inner.order, queue => queue.puts())) {
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
            &self.inner.wait_queues.joiners,
            WaitLimit::Forever,
            QueueError::Empty,
            || false,
            || Ok(if done() { Attempt::Done(()) } else { Attempt::NotYet }),
        )
    }

    /// Makes all later puts fail, and all gets once the queue is empty. Both raise
    /// `queue.ShutDown`, also in waiting threads. If `immediate`, empties the queue now and counts
    /// its tasks as done.
    #[pyo3(signature = (immediate = None), text_signature = "($self, immediate=False)")]
    fn shutdown(&self, py: Python<'_>, immediate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let immediate = immediate.map_or(Ok(false), |flag| flag.is_truthy())?;
        let QueueInner { order, wait_queues, .. } = &*self.inner;
        each!(order, queue => queue.close());
        if immediate {
            let words = match order {
                QueueOrder::Priority(heap) => heap.take_all(py)?,
                _ => order.clear(),
            };
            wait_queues.add_done(words.len() as u64, each!(order, queue => queue.puts()));
            wait_queues.wake_all();
            drop(words);
        }
        wait_queues.wake_all();
        Ok(())
    }

    /// `put` for coroutines: awaits free space instead of blocking. If cancelled, it has put
    /// nothing in.
    fn put_async<'py>(
        slf: &Bound<'py, Self>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "put")?.call1((slf, item))
    }

    /// `get` for coroutines: awaits an item instead of blocking. If cancelled, it has taken no
    /// item.
    fn get_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "get")?.call1((slf,))
    }

    /// `join` for coroutines.
    fn join_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py(), "join")?.call1((slf,))
    }

    fn _enlist(&self, side: &str, future: &Bound<'_, PyAny>) -> PyResult<Registration> {
        let side = match side {
            "items" => WaitReason::Items,
            "space" => WaitReason::Space,
            _ => WaitReason::Joiners,
        };
        self.inner.futures.register(self.wait_set(side), side, future)
    }

    fn _withdraw(&self, registration: &Registration, unused: bool) {
        let notified = !self.wait_set(registration.side).unregister(registration.ticket);
        self.inner.futures.forget(registration);
        if notified && unused {
            wake_one_slow(self.wait_set(registration.side));
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

/// Returns true if an error is `queue.Full` or `queue.ShutDown`.
fn is_full_or_shut_down(py: Python<'_>, raised: &PyErr) -> bool {
    [QueueError::Full, QueueError::ShutDown]
        .iter()
        .any(|&which| raised.get_type(py).is(queue_error(py, which).get_type(py)))
}

/// A `Queue` that returns the newest item first.
#[pyclass(frozen, subclass, extends = Queue, module = "ungil")]
pub(crate) struct LifoQueue;

#[pymethods]
impl LifoQueue {
    #[new]
    #[pyo3(signature = (maxsize = 0))]
    fn new(maxsize: isize) -> PyClassInitializer<Self> {
        let queue = Queue::make(maxsize, |bound| QueueOrder::Lifo(Stack::new(bound)));
        PyClassInitializer::from(queue).add_subclass(Self)
    }
}

/// A `Queue` that returns the least item first. Items are compared with `<`, as in
/// `queue.PriorityQueue`; usually they are tuples `(priority, item)`.
///
/// Numbers, and tuples whose first items are different numbers, are compared without calling
/// Python. If a comparison is Python code, one thread at a time reorders the queue and the others
/// sleep. If it raises, the queue is unchanged. It must not use the same queue.
#[pyclass(frozen, subclass, extends = Queue, module = "ungil")]
pub(crate) struct PriorityQueue;

#[pymethods]
impl PriorityQueue {
    #[new]
    #[pyo3(signature = (maxsize = 0))]
    fn new(maxsize: isize) -> PyClassInitializer<Self> {
        let queue = Queue::make(maxsize, |bound| QueueOrder::Priority(PriorityHeap::new(bound)));
        PyClassInitializer::from(queue).add_subclass(Self)
    }
}
