//! `compute_if_absent` runs its function once for a key, whoever else asks meanwhile: they wait,
//! asleep, and take what it made. Waiting for oneself, in one step or through other threads, is an
//! error and not a deadlock.
//!
//! A latch is for a hash, so that nothing is compared under a lock; two keys of one hash merely
//! take turns.

use super::key::Key;
use crate::object::{block, count};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use ungil_sync::park::{Parker, WaitSet, Waiter};
use ungil_sync::stripe::thread_number;

/// One function that runs.
struct Latch {
    hash: u64,
    owner: usize,
    /// A fork's child has the latches of threads that it does not have.
    process: u32,
    key: Py<PyAny>,
    done: AtomicBool,
    waiters: WaitSet,
}

/// The latches of one map.
#[derive(Default)]
pub(super) struct Latches([List; 8]);

/// Which thread waits for which latch, in all maps: followed to find circles.
static WAITS: Mutex<Vec<(usize, Arc<Latch>)>> = Mutex::new(Vec::new());

/// The right to run the function. Gone, the others go on.
pub(super) struct Entered<'a>(Option<(&'a List, Arc<Latch>)>);

type List = Mutex<Vec<Arc<Latch>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Latches {
    /// Takes the key's latch, or waits until somebody else has given it back, and returns nothing:
    /// then look for the value again.
    pub(super) fn enter(&self, key: &Key<'_, '_>) -> PyResult<Option<Entered<'_>>> {
        let py = key.object().py();
        let me = thread_number();
        let list = &self.0[key.hash() as usize % self.0.len()];
        let new = Arc::new(Latch {
            hash: key.hash(),
            owner: me,
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
        let Some(latch) = found else { return Ok(Some(Entered(Some((list, new))))) };
        if latch.owner != me {
            return wait(py, &latch).map(|()| None);
        }
        if latch.key.bind(py).eq(key.object())? {
            return Err(PyRuntimeError::new_err(
                "compute_if_absent: the function asks for the very key that it computes; compute it without asking the map for it",
            ));
        }
        // Another key of the same hash, whose latch this thread holds already.
        Ok(Some(Entered(None)))
    }
}

fn wait(py: Python<'_>, latch: &Arc<Latch>) -> PyResult<()> {
    let me = thread_number();
    {
        let mut waits = lock(&WAITS);
        let mut owner = latch.owner;
        for _ in 0..=waits.len() {
            let next = waits
                .iter()
                .find(|(who, what)| *who == owner && !what.done.load(Ordering::Acquire));
            match next {
                Some((_, next)) if next.owner == me => {
                    drop(waits);
                    return Err(PyRuntimeError::new_err(
                        "compute_if_absent: deadlock: the thread that computes this key waits for one that this thread computes; \
                         do not ask for each other's keys in the functions",
                    ));
                }
                Some((_, next)) => owner = next.owner,
                None => break,
            }
        }
        waits.push((me, latch.clone()));
    }
    let parker = Arc::new(Parker::new(0));
    let ticket = latch.waiters.register(Waiter::Thread(parker.clone()));
    let result = match latch.done.load(Ordering::Acquire) {
        true => Ok(true),
        false => block::park(py, &parker, None),
    };
    latch.waiters.unregister(ticket);
    let gone = {
        let mut waits = lock(&WAITS);
        waits.iter().position(|(who, _)| *who == me).map(|index| waits.swap_remove(index))
    };
    drop(gone);
    result.map(drop)
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some((list, latch)) = self.0.take() else { return };
        let gone = {
            let mut list = lock(list);
            list.iter()
                .position(|other| Arc::ptr_eq(other, &latch))
                .map(|index| list.swap_remove(index))
        };
        drop(gone);
        latch.done.store(true, Ordering::Release);
        latch.waiters.notify_all();
    }
}

/// Stands for "no value": what a function of `compute` and its like returns to have the key
/// removed, and what `compare_and_set` takes for a key that is not there.
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

/// Makes the one of its kind. Called when the module is imported.
pub(super) fn make_absent(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let object = Bound::new(py, Absent)?.into_any();
    count::defer(&object);
    _ = ABSENT.set(object.unbind());
    Ok(absent(py))
}

/// The one of its kind.
fn absent(py: Python<'_>) -> &Bound<'_, PyAny> {
    ABSENT.get().expect("set by `make_absent`, before anything can be called").bind(py)
}

pub(super) fn is_absent(object: &Bound<'_, PyAny>) -> bool {
    object.is(absent(object.py()))
}
