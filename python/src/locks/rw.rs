//! `RWLock`.
//!
//! A guard is an object that every `with` returns, so its count is written each time. There is
//! therefore one for each stripe of threads, made once and kept by the lock: threads that read on
//! lines of their own also count on lines of their own.

use super::guard::{ReadGuard, WriteGuard};
use super::{Limit, Truth, describe, orphaned, taken};
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

/// Many readers or one writer. Readers on different threads do not slow one another down. A writer
/// waits for the readers that are in and for no others; when it leaves, the readers that came
/// meanwhile are let in before the next writer; so neither starves.
///
/// Both sides are re-entrant, and the writer may also read; if it gives up writing first, it goes
/// on reading with no writer in between. A reader that asks to write would wait for itself: that is
/// a RuntimeError. A hold belongs to the thread that took it.
///
/// In the child of a fork readers of the parent are forgotten; a lock that another thread was
/// writing under raises RuntimeError.
///
/// Thread safety: atomic, every method.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct RWLock {
    core: Arc<RwLock>,
    /// [`ReadGuard`]s by thread, then one [`WriteGuard`].
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
    pub(super) fn read_in(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let (me, id) = (ThreadId::current(), self.core.id());
        if ReadHolds::increment(id) {
            return Ok(true);
        }
        if self.core.is_corrupted_by_fork() {
            return Err(orphaned(CLASS));
        }
        if !self.core.try_lock_shared(me) && !self.read_slowly(py, me, limit)? {
            return Ok(false);
        }
        ReadHolds::insert(id);
        Ok(true)
    }

    #[cold]
    fn read_slowly(&self, py: Python<'_>, me: ThreadId, limit: Limit) -> PyResult<bool> {
        if self.core.writers().is_held_by(me) {
            self.core.lock_shared_nested(me);
            return Ok(true);
        }
        match limit {
            Limit::Now => Ok(false),
            until => self.core.lock_shared(me, until.sleep(py)),
        }
    }

    #[inline]
    pub(super) fn read_out(&self) -> PyResult<()> {
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

    pub(super) fn write_in(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let me = ThreadId::current();
        let (writers, depth) = (self.core.writers(), self.core.writers().depth());
        if writers.is_held_by(me) {
            return match depth.load(Ordering::Relaxed) {
                0 => Err(PyRuntimeError::new_err(
                    "a signal handler asked to write while its thread waits to write",
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
                 asking to write, or take it for writing from the beginning",
            ));
        }
        if self.core.is_corrupted_by_fork() {
            return Err(orphaned(CLASS));
        }
        match limit {
            _ if self.core.try_lock_exclusive(me) => Ok(true),
            Limit::Now => Ok(false),
            until => taken(self.core.lock_exclusive(me, until.sleep(py))?, CLASS),
        }
    }

    pub(super) fn write_out(&self) -> PyResult<()> {
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
        crate::sharing::own(slf.as_any());
    }

    /// A context manager that holds the lock for reading.
    fn read<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let slot = &this.guards[ThreadId::current().number() as usize & this.mask];
        Self::guard(slf, slot, |lock| Ok(Bound::new(slf.py(), ReadGuard::of(lock))?.into_any()))
    }

    /// A context manager that holds the lock for writing.
    fn write<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let slot = &this.guards[this.mask + 1];
        Self::guard(slf, slot, |lock| Ok(Bound::new(slf.py(), WriteGuard::of(lock))?.into_any()))
    }

    /// Takes the lock for reading, waiting at most `timeout` seconds (-1: as long as it takes).
    /// False if it could not be had.
    #[pyo3(signature = (blocking = Truth(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire_read(&self, py: Python<'_>, blocking: Truth, timeout: f64) -> PyResult<bool> {
        self.read_in(py, Limit::of_lock(blocking, timeout)?)
    }

    /// Gives back a hold for reading. RuntimeError if this thread has none.
    fn release_read(&self) -> PyResult<()> {
        self.read_out()
    }

    /// Takes the lock for writing, waiting at most `timeout` seconds (-1: as long as it takes).
    /// False if it could not be had.
    #[pyo3(signature = (blocking = Truth(true), timeout = -1.0), text_signature = "($self, blocking=True, timeout=-1)")]
    fn acquire_write(&self, py: Python<'_>, blocking: Truth, timeout: f64) -> PyResult<bool> {
        self.write_in(py, Limit::of_lock(blocking, timeout)?)
    }

    /// Gives back a hold for writing. RuntimeError if this thread has none.
    fn release_write(&self) -> PyResult<()> {
        self.write_out()
    }

    /// About how many threads are reading.
    #[getter]
    fn readers(&self) -> i64 {
        self.core.reader_count().max(0)
    }

    /// The thread that is writing (`threading.get_ident()`), or None.
    #[getter]
    fn owner(&self) -> Option<u64> {
        self.core.writers().holder().filter(|_| self.core.is_locked_exclusive())
    }

    /// How many threads wait, to read or to write.
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
