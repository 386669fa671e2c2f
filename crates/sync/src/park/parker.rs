//! One waiter's place to sleep: a word on a cache line of its own.

#[cfg(not(loom))]
use super::os;
use std::time::Instant;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// By [`Parker::unpark`].
    Notified,
    /// The deadline passed.
    TimedOut,
    /// By a signal: look for it, then sleep on.
    Interrupted,
}

/// A one-shot flag one thread sleeps on and another raises. May be raised before, during or after
/// the sleep; never lost.
///
/// The layout is for a reader from outside (`ungil dump`): the word that futex(2) is called with,
/// [`Parker::MARK`], then the address of what is waited for.
#[repr(C, align(64))]
pub struct Parker {
    #[cfg(not(loom))]
    raised: std::sync::atomic::AtomicU32,
    #[cfg(not(loom))]
    mark: u32,
    #[cfg(not(loom))]
    subject: usize,
    #[cfg(loom)]
    raised: loom::sync::Mutex<bool>,
    #[cfg(loom)]
    changed: loom::sync::Condvar,
}

#[cfg(not(loom))]
impl Parker {
    /// The four bytes after the futex word: "ungl".
    pub const MARK: u32 = u32::from_le_bytes(*b"ungl");

    /// A place to wait for what lies at `subject` (an address, for a reader from outside; 0 if
    /// there is none).
    pub fn new(subject: usize) -> Self {
        Self { raised: std::sync::atomic::AtomicU32::new(0), mark: Self::MARK, subject }
    }

    /// What is waited for.
    pub fn subject(&self) -> usize {
        debug_assert_eq!(self.mark, Self::MARK);
        self.subject
    }

    /// Whether the flag is up.
    pub fn is_raised(&self) -> bool {
        self.raised.load(std::sync::atomic::Ordering::Acquire) != 0
    }

    /// Sleeps until the flag is up, the deadline passes or a signal comes.
    pub fn park(&self, deadline: Option<Instant>) -> Woken {
        while !self.is_raised() {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            match os::wait(&self.raised, 0, left) {
                Woken::Notified => {}
                _ if self.is_raised() => break,
                other => return other,
            }
        }
        Woken::Notified
    }

    /// Puts the flag up and wakes the sleeper.
    pub fn unpark(&self) {
        self.raised.store(1, std::sync::atomic::Ordering::Release);
        os::wake(&self.raised);
    }

    /// Takes the flag down, for another sleep. Only its one waiter may.
    pub fn reset(&self) {
        self.raised.store(0, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(loom)]
impl Parker {
    /// As above.
    pub fn new(_subject: usize) -> Self {
        Self { raised: loom::sync::Mutex::new(false), changed: loom::sync::Condvar::new() }
    }

    /// As above.
    pub fn is_raised(&self) -> bool {
        *self.raised.lock().expect("loom's locks are never poisoned")
    }

    /// As above; the model has no time, so a deadline is never reached.
    pub fn park(&self, _deadline: Option<Instant>) -> Woken {
        let mut raised = self.raised.lock().expect("loom's locks are never poisoned");
        while !*raised {
            raised = self.changed.wait(raised).expect("loom's locks are never poisoned");
        }
        Woken::Notified
    }

    /// As above.
    pub fn unpark(&self) {
        *self.raised.lock().expect("loom's locks are never poisoned") = true;
        self.changed.notify_all();
    }

    /// As above.
    pub fn reset(&self) {
        *self.raised.lock().expect("loom's locks are never poisoned") = false;
    }
}
