//! A one-shot flag that one thread sleeps on, on a cache line of its own.

#[cfg(not(loom))]
use super::os;
use std::time::Instant;

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// [`Parker::unpark`] was called.
    Notified,
    /// The deadline passed.
    TimedOut,
    /// A signal arrived. The caller handles it, then sleeps again.
    Interrupted,
}

/// A one-shot flag that one thread sleeps on and another raises. It may be raised before, during or
/// after the sleep and is never lost.
///
/// The layout is read by external readers (`ungil dump`): the futex word, [`Parker::MAGIC`], then
/// the address of the object waited for.
#[repr(C, align(64))]
pub struct Parker {
    /// The futex word: 1 if raised, otherwise 0. Raised with Release, read with Acquire.
    #[cfg(not(loom))]
    raised: std::sync::atomic::AtomicU32,
    #[cfg(not(loom))]
    magic: u32,
    #[cfg(not(loom))]
    subject: usize,
    #[cfg(loom)]
    raised: loom::sync::Mutex<bool>,
    #[cfg(loom)]
    changed: loom::sync::Condvar,
}

#[cfg(not(loom))]
impl Parker {
    /// The magic number in the four bytes after the futex word: "ungl".
    pub const MAGIC: u32 = u32::from_le_bytes(*b"ungl");

    /// Creates a parker that is not raised. `subject` is the address of the object waited for,
    /// shown to external readers; 0 if there is none.
    pub fn new(subject: usize) -> Self {
        Self { raised: std::sync::atomic::AtomicU32::new(0), magic: Self::MAGIC, subject }
    }

    /// Returns the address of the object waited for.
    pub fn subject(&self) -> usize {
        debug_assert_eq!(self.magic, Self::MAGIC);
        self.subject
    }

    /// Returns true if the flag is raised.
    pub fn is_raised(&self) -> bool {
        self.raised.load(std::sync::atomic::Ordering::Acquire) != 0
    }

    /// Sleeps until the flag is raised, the deadline passes or a signal arrives.
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

    /// Raises the flag and wakes the sleeper.
    pub fn unpark(&self) {
        self.raised.store(1, std::sync::atomic::Ordering::Release);
        os::wake(&self.raised);
    }

    /// Lowers the flag for another sleep. Only the waiting thread may call it.
    pub fn reset(&self) {
        self.raised.store(0, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(loom)]
impl Parker {
    pub fn new(_subject: usize) -> Self {
        Self { raised: loom::sync::Mutex::new(false), changed: loom::sync::Condvar::new() }
    }

    pub fn is_raised(&self) -> bool {
        *self.raised.lock().expect("loom's locks are never poisoned")
    }

    /// Never times out: the model has no clock.
    pub fn park(&self, _deadline: Option<Instant>) -> Woken {
        let mut raised = self.raised.lock().expect("loom's locks are never poisoned");
        while !*raised {
            raised = self.changed.wait(raised).expect("loom's locks are never poisoned");
        }
        Woken::Notified
    }

    pub fn unpark(&self) {
        *self.raised.lock().expect("loom's locks are never poisoned") = true;
        self.changed.notify_all();
    }

    pub fn reset(&self) {
        *self.raised.lock().expect("loom's locks are never poisoned") = false;
    }
}
