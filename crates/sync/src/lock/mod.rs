//! Locks and meeting points whose waiters each sleep on a cache line of their own.
//!
//! | | a thread comes and goes alone by | waiters |
//! |---|---|---|
//! | [`Lock`] | one compare-and-swap on one word | a queue; the lock is handed to the first, or the first may be overtaken for a moment |
//! | [`Rw`] | readers: an addition on a line of their own | phases: a writer waits for the readers there, readers for the writer there |
//! | [`Semaphore`] | one compare-and-swap | a queue, strictly in order |
//! | [`Latch`], [`Event`] | one load | all told at once |
//! | [`Barrier`], [`Phaser`] | the last one to arrive tells the others | all told at once |
//!
//! Nothing here sleeps by itself: whoever calls says how ([`Sleep`]), because a Python thread must
//! let go of the interpreter first and may be interrupted. Internal mutexes guard queues for a few
//! instructions and are never held while sleeping or calling back, so that a process forked while
//! the interpreter stands still finds all of them free. Waiters of the parent are forgotten in the
//! child, and a lock whose holder stayed behind says so ([`Outcome::Orphaned`]).

mod barrier;
mod event;
mod handover;
mod holds;
mod me;
#[cfg(all(test, loom))]
mod models;
mod mutex;
mod phaser;
mod queue;
mod rw;
mod semaphore;
mod stamped;
#[cfg(all(test, not(loom)))]
mod tests;

pub use barrier::{Arrival, Barrier, Broken};
pub use event::{Event, Latch};
pub use holds::Holds;
pub use me::Me;
pub use mutex::Lock;
pub use phaser::{Arrived, PARTIES_MAX, Phaser, PhaserError};
pub use rw::{Rw, forked};
pub use semaphore::Semaphore;
pub use stamped::{Mode, Stamped, mode};

use crate::park::{Parker, WaitSet, Waiter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

/// How the caller sleeps: true when the parker was raised, false when the caller will wait no
/// longer, an error when something else ends the wait. It is called with no internal lock held.
pub trait Sleep<E>: Fn(&Parker) -> Result<bool, E> {}
impl<E, F: Fn(&Parker) -> Result<bool, E>> Sleep<E> for F {}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller holds it.
    Acquired,
    /// The caller gave up, and holds nothing.
    TimedOut,
    /// Held by a thread that a fork left behind: nobody would ever release it.
    Orphaned,
}

/// A mutex that cannot be poisoned: nothing that runs under it panics.
fn lock<T>(mutex: &Mutex<T>) -> impl std::ops::DerefMut<Target = T> + '_ {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Between a write and a read of another word that must not change places. The accesses around it
/// are sequentially consistent, which is enough everywhere but in the model checker, which knows
/// that order for fences only.
#[inline]
fn full_fence() {
    #[cfg(loom)]
    crate::prim::atomic::fence(crate::prim::atomic::Ordering::SeqCst);
}

/// 0 unasked, 1 spin, 2 do not.
static SPIN: AtomicU8 = AtomicU8::new(0);

/// Has nobody spin, where only one thread runs at a time whatever the number of processors.
pub fn never_spin() {
    SPIN.store(2, Ordering::Relaxed);
}

fn spins() -> bool {
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

/// Looks again and again for about `pauses` processor pauses, ever less often, so that the line
/// looked at is left to those who write it.
fn spin_until(pauses: u32, mut ready: impl FnMut() -> bool) -> bool {
    let (mut spent, mut step) = (0, 4);
    while spins() && spent < pauses {
        if ready() {
            return true;
        }
        for _ in 0..step {
            crate::prim::hint::spin_loop();
        }
        spent += step;
        step = (step * 2).min(64);
    }
    ready()
}

/// About a microsecond of pauses, on machines where a pause takes 20 to 40 ns.
const SHORT: u32 = 40;

/// Waits until `ready`, which whoever makes it true follows by telling all of `set`. With `told`,
/// having been told is enough, even if it is no longer so.
fn wait_for<E>(
    set: &WaitSet,
    subject: usize,
    told: bool,
    ready: impl Fn() -> bool,
    sleep: impl Sleep<E>,
) -> Result<bool, E> {
    if spin_until(SHORT, &ready) {
        return Ok(true);
    }
    let parker = Arc::new(Parker::new(subject));
    loop {
        let ticket = set.enlist(Waiter::Thread(parker.clone()));
        if ready() {
            set.withdraw(ticket);
            return Ok(true);
        }
        match sleep(&parker) {
            Ok(true) if told || ready() => return Ok(true),
            Ok(true) => parker.reset(),
            gave_up => {
                let early = set.withdraw(ticket);
                return if gave_up.is_ok() && (!early && told || ready()) {
                    Ok(true)
                } else {
                    gave_up
                };
            }
        }
    }
}
