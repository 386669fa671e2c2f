//! `compute_if_absent` runs its function once per key: other threads that ask for the key sleep
//! until the function has finished, and take its result. A thread that would wait for itself,
//! directly or through other threads, gets an error instead of a deadlock.
//!
//! A latch belongs to a hash, not a key, so that no keys are compared under a lock. Two keys with
//! the same hash merely take turns.

use super::key::Key;
use crate::object::{block, count};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use ungil_sync::park::{Parker, WaitSet, Waiter};
use ungil_sync::stripe::thread_number;

/// A function that is running.
struct KeyLatch {
    hash: u64,
    owner: usize,
    /// Process id. The child of a fork has copies of latches whose threads do not exist there.
    process: u32,
    key: Py<PyAny>,
    done: AtomicBool,
    waiters: WaitSet,
}

/// The latches of one map.
#[derive(Default)]
pub(super) struct KeyLatches([List; 8]);

/// Which thread waits for which latch, in all maps. Followed to find cycles.
static WAITING: Mutex<Vec<(usize, Arc<KeyLatch>)>> = Mutex::new(Vec::new());

/// The right to run the function. Dropping it wakes the waiting threads.
pub(super) struct KeyLatchGuard<'a>(Option<(&'a List, Arc<KeyLatch>)>);

type List = Mutex<Vec<Arc<KeyLatch>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KeyLatches {
    /// Acquires the latch of the key's hash, or waits until another thread has released it and
    /// returns `None`: the caller then looks for the value again.
    pub(super) fn enter(&self, key: &Key<'_, '_>) -> PyResult<Option<KeyLatchGuard<'_>>> {
        let py = key.object().py();
        let thread = thread_number();
        let list = &self.0[key.hash() as usize % self.0.len()];
        let new = Arc::new(KeyLatch {
            hash: key.hash(),
            owner: thread,
            process: std::process::id(),
            key: key.object().clone().unbind(),
            done: AtomicBool::new(false),
            waiters: WaitSet::default(),
        });
        let (found, stale) = {
            let mut list = lock(list);
            let of_hash = list.iter().position(|latch| latch.hash == new.hash);
            match of_hash.map(|index| (index, list[index].clone())) {
                Some((_, latch)) if latch.process == new.process => (Some(latch), None),
                other => {
                    let stale = other.map(|(index, _)| list.swap_remove(index));
                    list.push(new.clone());
                    (None, stale)
                }
            }
        };
        drop(stale);
        let Some(latch) = found else { return Ok(Some(KeyLatchGuard(Some((list, new))))) };
        if latch.owner != thread {
            return wait(py, &latch).map(|()| None);
        }
        if latch.key.bind(py).eq(key.object())? {
            return Err(PyRuntimeError::new_err(
                "compute_if_absent: the function asked the map for the key that it is computing; compute the value without using that key",
            ));
        }
        // Another key of the same hash, whose latch this thread already owns.
        Ok(Some(KeyLatchGuard(None)))
    }
}

fn wait(py: Python<'_>, latch: &Arc<KeyLatch>) -> PyResult<()> {
    let thread = thread_number();
    {
        let mut waits = lock(&WAITING);
        let mut owner = latch.owner;
        for _ in 0..=waits.len() {
            let next = waits
                .iter()
                .find(|(who, what)| *who == owner && !what.done.load(Ordering::Acquire));
            match next {
                Some((_, next)) if next.owner == thread => {
                    drop(waits);
                    return Err(PyRuntimeError::new_err(
                        "compute_if_absent: deadlock: the thread computing this key waits for a key that this thread is computing; \
                         do not ask for each other's keys in the functions",
                    ));
                }
                Some((_, next)) => owner = next.owner,
                None => break,
            }
        }
        waits.push((thread, latch.clone()));
    }
    let parker = Arc::new(Parker::new(0));
    let ticket = latch.waiters.register(Waiter::Thread(parker.clone()));
    let result = match latch.done.load(Ordering::Acquire) {
        true => Ok(true),
        false => block::park(py, &parker, None),
    };
    latch.waiters.unregister(ticket);
    let removed = {
        let mut waits = lock(&WAITING);
        waits.iter().position(|(who, _)| *who == thread).map(|index| waits.swap_remove(index))
    };
    drop(removed);
    result.map(drop)
}

impl Drop for KeyLatchGuard<'_> {
    fn drop(&mut self) {
        let Some((list, latch)) = self.0.take() else { return };
        let removed = {
            let mut list = lock(list);
            list.iter()
                .position(|other| Arc::ptr_eq(other, &latch))
                .map(|index| list.swap_remove(index))
        };
        drop(removed);
        latch.done.store(true, Ordering::Release);
        latch.waiters.notify_all();
    }
}

/// Represents a missing value: functions passed to `compute` and its relatives return it to remove
/// the key, and `compare_and_set` takes it for an absent key.
#[pyclass(frozen, module = "ungil", name = "_Absent")]
struct Absent;

#[pymethods]
impl Absent {
    fn __repr__(&self) -> &'static str {
        "ungil.ABSENT"
    }

    fn __reduce__(&self) -> &'static str {
        "ABSENT"
    }

    fn __bool__(&self) -> bool {
        false
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

static ABSENT: OnceLock<Py<PyAny>> = OnceLock::new();

/// Creates the singleton. Called when the module is imported.
pub(super) fn make_absent(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let object = Bound::new(py, Absent)?.into_any();
    count::defer(&object);
    _ = ABSENT.set(object.unbind());
    Ok(absent(py))
}

/// Returns the singleton.
fn absent(py: Python<'_>) -> &Bound<'_, PyAny> {
    ABSENT.get().expect("set by `make_absent`, before anything can be called").bind(py)
}

pub(super) fn is_absent(object: &Bound<'_, PyAny>) -> bool {
    object.is(absent(object.py()))
}
