//! Locks and synchronization points. Each waiter sleeps on a cache line of its own.
//!
//! | | uncontended cost | waiters |
//! |---|---|---|
//! | [`Lock`] | one compare-and-swap | FIFO queue with hand-off, or with brief barging |
//! | [`RwLock`] | readers: one addition on their own line | readers and writers in phases |
//! | [`Semaphore`] | one compare-and-swap | FIFO queue |
//! | [`Latch`], [`Event`] | one load | all woken at once |
//! | [`Barrier`], [`Phaser`] | the last arrival wakes the others | all woken at once |
//!
//! Nothing here sleeps by itself. The caller passes a function that does ([`Sleep`]), because a
//! Python thread must detach from the interpreter first and may be interrupted. Internal mutexes
//! guard queues for a few instructions and are never held while sleeping or calling back. A process
//! forked while the interpreter has stopped all threads therefore finds all of them free. The child
//! discards the parent's waiters, and reports a lock whose holder is left in the parent as
//! [`AcquireOutcome::Orphaned`].

mod barrier;
mod event;
mod handover;
#[cfg(all(test, loom))]
mod models;
mod mutex;
mod phaser;
mod read_holds;
mod rw;
mod semaphore;
mod stamped;
#[cfg(all(test, not(loom)))]
mod tests;
mod thread_id;
mod wait_queue;

pub use barrier::{Barrier, BarrierArrival, BrokenBarrier};
pub use event::{Event, Latch};
pub use mutex::Lock;
pub use phaser::{MAX_PARTIES, Phaser, PhaserArrival, PhaserError};
pub use read_holds::ReadHolds;
pub use rw::{RwLock, after_fork_in_child};
pub use semaphore::Semaphore;
pub use stamped::{StampMode, StampedLock, stamp_mode};
pub use thread_id::ThreadId;

use crate::park::{Parker, WaitSet, Waiter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

/// How the caller sleeps. Returns true when the parker was raised, false when the caller stops
/// waiting, and an error when something else ends the wait. It is called with no internal lock
/// held.
pub trait Sleep<E>: Fn(&Parker) -> Result<bool, E> {}
impl<E, F: Fn(&Parker) -> Result<bool, E>> Sleep<E> for F {}

/// Result of acquiring a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// The caller holds the lock.
    Acquired,
    /// The caller's sleep gave up; it does not hold the lock.
    TimedOut,
    /// The holder is a thread that exists only in the parent of a fork, so the lock will never be
    /// released.
    Orphaned,
}

/// Locks a mutex, ignoring poisoning: nothing that runs under these mutexes panics.
fn lock<T>(mutex: &Mutex<T>) -> impl std::ops::DerefMut<Target = T> + '_ {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Orders a write before a later read of another word. The surrounding accesses are SeqCst, which
/// suffices on hardware. Loom models that order for fences only.
#[inline]
fn full_fence() {
    #[cfg(loom)]
    crate::primitive::atomic::fence(crate::primitive::atomic::Ordering::SeqCst);
}

/// 0: unknown, 1: spin, 2: do not spin.
static SPIN: AtomicU8 = AtomicU8::new(0);

/// Turns spinning off, for interpreters that run one thread at a time (with the GIL).
pub fn disable_spinning() {
    SPIN.store(2, Ordering::Relaxed);
}

fn is_spinning_enabled() -> bool {
    if cfg!(loom) {
        return false;
    }
    match SPIN.load(Ordering::Relaxed) {
        0 => {
            let several = std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
            SPIN.store(if several { 1 } else { 2 }, Ordering::Relaxed);
            several
        }
        answer => answer == 1,
    }
}

/// Polls `ready` for about `pauses` processor pauses, at growing intervals, so that the polled
/// cache line stays with its writers.
fn spin_until(pauses: u32, mut ready: impl FnMut() -> bool) -> bool {
    let (mut spent, mut step) = (0, 4);
    while is_spinning_enabled() && spent < pauses {
        if ready() {
            return true;
        }
        for _ in 0..step {
            crate::primitive::hint::spin_loop();
        }
        spent += step;
        step = (step * 2).min(64);
    }
    ready()
}

/// About one microsecond, on machines where a pause takes 20 to 40 ns.
const SPIN_PAUSES: u32 = 40;

/// Waits until `ready` returns true. A thread that makes it true must notify all of `set`
/// afterwards. With `wakeup_suffices`, a wake-up ends the wait even if `ready` returns false by
/// then. Returns false if `sleep` gave up.
fn wait_for<E>(
    set: &WaitSet,
    subject: usize,
    wakeup_suffices: bool,
    ready: impl Fn() -> bool,
    sleep: impl Sleep<E>,
) -> Result<bool, E> {
    if spin_until(SPIN_PAUSES, &ready) {
        return Ok(true);
    }
    let parker = Arc::new(Parker::new(subject));
    loop {
        let ticket = set.register(Waiter::Thread(parker.clone()));
        if ready() {
            set.unregister(ticket);
            return Ok(true);
        }
        match sleep(&parker) {
            Ok(true) if wakeup_suffices || ready() => return Ok(true),
            Ok(true) => parker.reset(),
            gave_up => {
                let early = set.unregister(ticket);
                return if gave_up.is_ok() && (!early && wakeup_suffices || ready()) {
                    Ok(true)
                } else {
                    gave_up
                };
            }
        }
    }
}
