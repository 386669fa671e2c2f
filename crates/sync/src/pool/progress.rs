//! How far one call has come, in a word: the states of `concurrent.futures.Future`, changed by one
//! compare-and-set each.
//!
//! Others may want to see the state stand still, under a lock of their own, and be told of changes
//! while they hold it. Such a lock is costly and seldom asked for, so it is made when it is;
//! [`Progress::watch`] then turns away whoever comes to change the state without it. As both go
//! through one word, a change either happened before the watch began, or is made under the lock.

use crate::prim::atomic::{AtomicU32, Ordering};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Queued.
    Pending = 0,
    /// A worker runs it.
    Running = 1,
    /// It will not be run; not everybody knows.
    Cancelled = 2,
    /// It will not be run, and everybody who waits has been told.
    Notified = 3,
    /// It has returned.
    Returned = 4,
    /// It has raised.
    Raised = 5,
}

const PHASE: u32 = 7;
const WATCHED: u32 = 8;

fn phase(word: u32) -> Phase {
    match word & PHASE {
        0 => Phase::Pending,
        1 => Phase::Running,
        2 => Phase::Cancelled,
        3 => Phase::Notified,
        4 => Phase::Returned,
        _ => Phase::Raised,
    }
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It must be made under the lock.
    Watched,
    /// The call stands somewhere that this change does not begin at.
    At(Phase),
}

/// The word.
#[derive(Default)]
pub struct Progress(AtomicU32);

impl Progress {
    /// Where the call stands.
    #[inline]
    pub fn phase(&self) -> Phase {
        phase(self.0.load(Ordering::Acquire))
    }

    /// Whether changes are made under the lock.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.0.load(Ordering::Acquire) & WATCHED != 0
    }

    /// From now on changes are made under the lock.
    pub fn watch(&self) {
        self.0.fetch_or(WATCHED, Ordering::AcqRel);
    }

    /// Claims the call in order to run it. Nobody waits for this, so it needs no lock.
    #[inline]
    pub fn begin(&self) -> Result<(), Phase> {
        match self.advance(&[Phase::Pending], Phase::Running, true) {
            Ok(()) => Ok(()),
            Err(Refused::At(at)) => Err(at),
            Err(Refused::Watched) => {
                unreachable!("a change that needs no lock is not turned away for it")
            }
        }
    }

    /// Goes from one of `from` to `to`. `locked` says that the caller holds the lock, should there
    /// be one.
    #[inline]
    pub fn advance(&self, from: &[Phase], to: Phase, locked: bool) -> Result<(), Refused> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if !from.contains(&phase(word)) {
                return Err(Refused::At(phase(word)));
            }
            if word & WATCHED != 0 && !locked {
                return Err(Refused::Watched);
            }
            let next = word & WATCHED | to as u32;
            match self.0.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// Who watches sees the end, or is told of it: never neither.
    #[test]
    fn an_end_is_seen_or_told() {
        loom::model(|| {
            // The lock guards who is to be told.
            let call = Arc::new((Progress::default(), Mutex::new((false, false))));
            let runner = {
                let call = Arc::clone(&call);
                thread::spawn(move || {
                    if call.0.begin().is_err() {
                        return;
                    }
                    if call.0.advance(&[Phase::Running], Phase::Returned, false)
                        == Err(Refused::Watched)
                    {
                        let mut lock = call.1.lock().unwrap();
                        call.0.advance(&[Phase::Running], Phase::Returned, true).unwrap();
                        lock.1 = lock.0;
                    }
                })
            };
            call.0.watch();
            let seen = {
                let mut lock = call.1.lock().unwrap();
                lock.0 = true;
                call.0.phase() == Phase::Returned
            };
            runner.join().unwrap();
            assert!(seen || call.1.lock().unwrap().1);
        });
    }

    /// A call is run or cancelled, not both.
    #[test]
    fn run_or_cancelled() {
        loom::model(|| {
            let call = Arc::new(Progress::default());
            let other = {
                let call = Arc::clone(&call);
                thread::spawn(move || call.begin().is_ok())
            };
            let cancelled = call.advance(&[Phase::Pending], Phase::Cancelled, false).is_ok();
            assert_ne!(other.join().unwrap(), cancelled);
        });
    }
}
