//! The Python class `RWLock`.
//!
//! Every `with` statement returns a guard object and thereby writes its reference count. So there
//! is one guard per stripe of threads, created once and kept by the lock: threads that count
//! themselves on different cache lines also use different guards.

use super::guard::{ReadGuard, WriteGuard};
use super::{Limit, Truthy, describe, orphaned, taken};
use crate::object::{Object, encode, word};
use pyo3::exceptions::{PyOverflowError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use ungil_sync::lock::{ReadHolds, RwLock, ThreadId};
use ungil_sync::slot::Slot;
use ungil_sync::stripe::stripe_count;

const CLASS: &str = "RWLock";

/// A read-write lock. Readers on different threads do not slow each other down. A writer waits only
/// for the readers already inside; when it leaves, the readers that arrived meanwhile enter before
/// the next writer. So neither side starves.
///
/// Both sides are re-entrant, and the writer may also read; if it releases the write lock first, it
/// continues as a reader with no other writer in between. A reader that asks to write would wait
/// for itself, which raises RuntimeError. A hold belongs to the thread that acquired it.
///
/// The child of a fork forgets the readers of the parent. If another thread held the lock for
/// writing, using it in the child raises RuntimeError.
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct RWLock {
    core: Arc<RwLock>,
    /// One [`ReadGuard`] per stripe, then one [`WriteGuard`]. Created on first use.
    guards: Box<[Slot<Object>]>,
    mask: usize,
}

impl RWLock {
    #[inline]
    fn guard<'py>(
        slf: &Bound<'py, Self>,
        slot: &Slot<Object>,
        make: impl FnOnce(Py<Self>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(guard) = word::load(slf.py(), slot)? {
            return Ok(guard);
        }
        let guard = make(slf.clone().unbind())?;
        drop(slot.compare_exchange(None, encode(&guard)));
        Ok(guard)
    }

    #[inline]
    pub(super) fn lock_read(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let (thread, id) = (ThreadId::current(), self.core.id());
        if ReadHolds::increment(id) {
            return Ok(true);
        }
        if self.core.is_corrupted_by_fork() {
            return Err(orphaned(CLASS));
        }
        if !self.core.try_lock_shared(thread) && !self.lock_read_slow(py, thread, limit)? {
            return Ok(false);
        }
        ReadHolds::insert(id);
        Ok(true)
    }

    #[cold]
    fn lock_read_slow(&self, py: Python<'_>, thread: ThreadId, limit: Limit) -> PyResult<bool> {
        if self.core.writers().is_held_by(thread) {
            self.core.lock_shared_nested(thread);
            return Ok(true);
        }
        match limit {
            Limit::Now => Ok(false),
            until => self.core.lock_shared(thread, until.sleep(py)),
        }
    }

    #[inline]
    pub(super) fn unlock_read(&self) -> PyResult<()> {
        match ReadHolds::decrement(self.core.id()) {
            None => {
                Err(PyRuntimeError::new_err("this thread does not hold the RWLock for reading"))
            }
            Some(0) => {
                self.core.unlock_shared(ThreadId::current());
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn lock_write(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let thread = ThreadId::current();
        let (writers, depth) = (self.core.writers(), self.core.writers().depth());
        if writers.is_held_by(thread) {
            return match depth.load(Ordering::Relaxed) {
                0 => Err(PyRuntimeError::new_err(
                    "a signal handler asked to write while its own thread is waiting to write",
                )),
                u32::MAX => Err(PyOverflowError::new_err("the RWLock was acquired too often")),
                held => {
                    depth.store(held + 1, Ordering::Relaxed);
                    Ok(true)
                }
            };
        }
        if ReadHolds::count(self.core.id()) != 0 {
            return Err(PyRuntimeError::new_err(
                "this thread holds the RWLock for reading and would wait for itself: release it before \
                 asking to write, or acquire it for writing from the start",
            ));
        }
        if self.core.is_corrupted_by_fork() {
            return Err(orphaned(CLASS));
        }
        match limit {
            _ if self.core.try_lock_exclusive(thread) => Ok(true),
            Limit::Now => Ok(false),
            until => taken(self.core.lock_exclusive(thread, until.sleep(py))?, CLASS),
        }
    }

    pub(super) fn unlock_write(&self) -> PyResult<()> {
        let (writers, depth) = (self.core.writers(), self.core.writers().depth());
        let held =
            if writers.is_held_by(ThreadId::current()) { depth.load(Ordering::Relaxed) } else { 0 };
        if held == 0 {
            return Err(PyRuntimeError::new_err(
                "this thread does not hold the RWLock for writing",
            ));
        }
        if held == 1 {
            self.core.unlock_exclusive();
        } else {
            depth.store(held - 1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[pymethods]
impl RWLock {
    #[new]
    fn new() -> Self {
        let mask = stripe_count() - 1;
        let guards = (0..mask + 2).map(|_| Slot::default()).collect();
        Self { core: RwLock::new(true), guards, mask }
    }

    fn __init__(slf: &Bound<'_, Self>) {
        crate::sharing::defer_count(slf.as_any());
    }

    /// Returns a context manager that holds the lock for reading.
    fn read<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let slot = &this.guards[ThreadId::current().number() as usize & this.mask];
        Self::guard(slf, slot, |lock| Ok(Bound::new(slf.py(), ReadGuard::new(lock))?.into_any()))
    }

    /// Returns a context manager that holds the lock for writing.
    fn write<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let slot = &this.guards[this.mask + 1];
        Self::guard(slf, slot, |lock| Ok(Bound::new(slf.py(), WriteGuard::new(lock))?.into_any()))
    }

    /// Acquires the lock for reading, waiting at most `timeout` seconds (-1: forever). Returns
    /// false on timeout.
    #[pyo3(signature = (blocking = Truthy(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire_read(&self, py: Python<'_>, blocking: Truthy, timeout: f64) -> PyResult<bool> {
        self.lock_read(py, Limit::of_lock(blocking, timeout)?)
    }

    /// Releases one read hold. Raises RuntimeError if this thread has none.
    fn release_read(&self) -> PyResult<()> {
        self.unlock_read()
    }

    /// Acquires the lock for writing, waiting at most `timeout` seconds (-1: forever). Returns
    /// false on timeout.
    #[pyo3(signature = (blocking = Truthy(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire_write(&self, py: Python<'_>, blocking: Truthy, timeout: f64) -> PyResult<bool> {
        self.lock_write(py, Limit::of_lock(blocking, timeout)?)
    }

    /// Releases one write hold. Raises RuntimeError if this thread has none.
    fn release_write(&self) -> PyResult<()> {
        self.unlock_write()
    }

    /// The approximate number of reading threads.
    #[getter]
    fn readers(&self) -> i64 {
        self.core.reader_count().max(0)
    }

    /// The `threading.get_ident()` of the writing thread, or None.
    #[getter]
    fn owner(&self) -> Option<u64> {
        self.core.writers().holder().filter(|_| self.core.is_locked_exclusive())
    }

    /// The number of threads waiting to read or to write.
    #[getter]
    fn waiters(&self) -> usize {
        let (readers, writers) = self.core.waiters();
        readers + writers
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let state = match (this.core.is_locked_exclusive(), this.readers()) {
            (true, _) => "written",
            (false, 0) => "unlocked",
            (false, _) => "read",
        };
        describe(slf.as_any(), state, "")
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.guards.iter().try_for_each(|slot| word::visit(slot, visit))
    }

    fn __clear__(&self) {
        self.guards.iter().for_each(|slot| drop(slot.take()));
    }
}
