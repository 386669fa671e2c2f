//! Waiters for a condition that lock-free code makes true (an "event count"). Whoever changes the
//! state asks with one load whether anybody waits; whoever waits registers first and looks at the
//! state again before sleeping, so that no wake-up is lost:
//!
//! ```text
//! waiter:  enlist -> look again -> park (or withdraw)      waker:  change the state -> notify
//! ```
//!
//! Both put a full fence between their two steps, so that at least one of them sees the other.

use super::Parker;
use crate::prim::atomic::{AtomicUsize, Ordering, fence};
use std::collections::VecDeque;
use std::sync::Arc;

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

/// Who is to be told.
#[derive(Clone)]
pub enum Waiter {
    /// A thread asleep on this.
    Thread(Arc<Parker>),
    /// Something to call, from the thread that notifies and under no lock (an event loop's future).
    Call(Arc<dyn Fn() + Send + Sync>),
}

impl Waiter {
    fn tell(self) {
        match self {
            Self::Thread(parker) => parker.unpark(),
            Self::Call(call) => call(),
        }
    }
}

/// How often the process has been forked on the way here: threads that waited in the parent are not
/// there to be told.
static FORKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// To be called in the child of a fork, before anything else here: those who were waiting are
/// forgotten.
pub fn forked() {
    FORKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

fn forks() -> u32 {
    FORKS.load(std::sync::atomic::Ordering::Relaxed)
}

/// One who waits.
struct Place {
    ticket: u64,
    forks: u32,
    waiter: Waiter,
}

/// A place in the set, to withdraw from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// The waiters, first come first told.
#[derive(Default)]
pub struct WaitSet {
    /// How many are enlisted. Alone on its line's reads: written only when somebody comes or goes.
    waiting: AtomicUsize,
    list: Mutex<(u64, VecDeque<Place>)>,
}

impl WaitSet {
    fn list(&self) -> impl std::ops::DerefMut<Target = (u64, VecDeque<Place>)> + '_ {
        // Nothing in here can panic while it holds the lock, so a poisoned one is as good.
        self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Joins. The caller must look at the state once more before it sleeps, and withdraw if it need
    /// not.
    pub fn enlist(&self, waiter: Waiter) -> Ticket {
        // Of a parent before a fork; dropped after the lock, as in `withdraw`. Whoever is of this
        // process came later, so all or none is.
        let mut gone = VecDeque::new();
        let ticket = {
            let mut list = self.list();
            if list.1.front().is_some_and(|place| place.forks != forks()) {
                gone = std::mem::take(&mut list.1);
                self.waiting.store(0, Ordering::SeqCst);
            }
            list.0 += 1;
            let ticket = list.0;
            list.1.push_back(Place { ticket, forks: forks(), waiter });
            self.waiting.fetch_add(1, Ordering::SeqCst);
            Ticket(ticket)
        };
        drop(gone);
        fence(Ordering::SeqCst);
        ticket
    }

    /// Leaves. False if the waiter has been told already: then it must pass the news on
    /// ([`Self::notify_one`]) unless it made use of it.
    pub fn withdraw(&self, ticket: Ticket) -> bool {
        // Dropped after the lock: what a waiter calls may own what must not be dropped under one.
        let left = {
            let mut list = self.list();
            let place = list.1.iter().position(|place| place.ticket == ticket.0);
            place.and_then(|place| list.1.remove(place)).inspect(|_| {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            })
        };
        left.is_some()
    }

    /// Tells the first waiter, if there is one. The state must have been changed before.
    #[inline]
    pub fn notify_one(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.tell(1);
        }
    }

    /// Tells everyone.
    #[inline]
    pub fn notify_all(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.tell(usize::MAX);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn tell(&self, at_most: usize) {
        let (mut told, mut gone) = (Vec::new(), Vec::new());
        {
            let mut list = self.list();
            while told.len() < at_most
                && let Some(place) = list.1.pop_front()
            {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                if place.forks == forks() { &mut told } else { &mut gone }.push(place.waiter);
            }
        }
        told.into_iter().for_each(Waiter::tell);
    }
}
