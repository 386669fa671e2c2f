//! The state of one call, in one word: the states of `concurrent.futures.Future`, each changed by
//! one compare-and-swap.
//!
//! Other code may need to see the state unchanged while it holds a lock of its own, and be notified
//! of changes under that lock. Such a lock is costly and rarely needed, so it is created on demand.
//! [`CallProgress::watch`] then rejects changes made without it. Both go through one word, so a
//! change either happened before the watch began or is made under the lock.

use crate::primitive::atomic::{AtomicU32, Ordering};

/// State of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CallState {
    /// Queued.
    Pending = 0,
    /// A worker runs it.
    Running = 1,
    /// Cancelled; waiters have not been notified yet.
    Cancelled = 2,
    /// Cancelled, and all waiters have been notified.
    Notified = 3,
    /// Returned a value.
    Returned = 4,
    /// Raised an exception.
    Raised = 5,
}

const STATE_MASK: u32 = 7;
const WATCHED: u32 = 8;

fn call_state(word: u32) -> CallState {
    match word & STATE_MASK {
        0 => CallState::Pending,
        1 => CallState::Running,
        2 => CallState::Cancelled,
        3 => CallState::Notified,
        4 => CallState::Returned,
        _ => CallState::Raised,
    }
}

/// Why a change of state was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionError {
    /// The change must be made under the lock.
    Watched,
    /// The change does not start from the current state.
    WrongState(CallState),
}

/// The state of one call.
#[derive(Default)]
pub struct CallProgress(
    /// Bits 0 to 2: a [`CallState`]. Bit 3: [`WATCHED`]. Changed with AcqRel, read with Acquire.
    AtomicU32,
);

impl CallProgress {
    /// Returns the state.
    #[inline]
    pub fn state(&self) -> CallState {
        call_state(self.0.load(Ordering::Acquire))
    }

    /// Returns true if changes must be made under the lock.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.0.load(Ordering::Acquire) & WATCHED != 0
    }

    /// Requires all later changes to be made under the lock.
    pub fn watch(&self) {
        self.0.fetch_or(WATCHED, Ordering::AcqRel);
    }

    /// Claims the call in order to run it. Nothing waits for this change, so it needs no lock.
    #[inline]
    pub fn start(&self) -> Result<(), CallState> {
        match self.transition(&[CallState::Pending], CallState::Running, true) {
            Ok(()) => Ok(()),
            Err(TransitionError::WrongState(state)) => Err(state),
            Err(TransitionError::Watched) => {
                unreachable!("a transition marked as locked is not rejected for lack of the lock")
            }
        }
    }

    /// Changes the state from one of `from` to `to`. `locked` states that the caller holds the
    /// lock, if there is one.
    #[inline]
    pub fn transition(
        &self,
        from: &[CallState],
        to: CallState,
        locked: bool,
    ) -> Result<(), TransitionError> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if !from.contains(&call_state(word)) {
                return Err(TransitionError::WrongState(call_state(word)));
            }
            if word & WATCHED != 0 && !locked {
                return Err(TransitionError::Watched);
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

    /// A watcher sees the final state or is notified of it, never neither.
    #[test]
    fn a_watcher_sees_the_end_or_is_notified() {
        loom::model(|| {
            // The lock guards whether the watcher has registered and whether it was notified.
            let call = Arc::new((CallProgress::default(), Mutex::new((false, false))));
            let runner = {
                let call = Arc::clone(&call);
                thread::spawn(move || {
                    if call.0.start().is_err() {
                        return;
                    }
                    if call.0.transition(&[CallState::Running], CallState::Returned, false)
                        == Err(TransitionError::Watched)
                    {
                        let mut lock = call.1.lock().unwrap();
                        call.0
                            .transition(&[CallState::Running], CallState::Returned, true)
                            .unwrap();
                        lock.1 = lock.0;
                    }
                })
            };
            call.0.watch();
            let seen = {
                let mut lock = call.1.lock().unwrap();
                lock.0 = true;
                call.0.state() == CallState::Returned
            };
            runner.join().unwrap();
            assert!(seen || call.1.lock().unwrap().1);
        });
    }

    #[test]
    fn a_call_is_run_or_cancelled_but_not_both() {
        loom::model(|| {
            let call = Arc::new(CallProgress::default());
            let other = {
                let call = Arc::clone(&call);
                thread::spawn(move || call.start().is_ok())
            };
            let cancelled =
                call.transition(&[CallState::Pending], CallState::Cancelled, false).is_ok();
            assert_ne!(other.join().unwrap(), cancelled);
        });
    }
}
