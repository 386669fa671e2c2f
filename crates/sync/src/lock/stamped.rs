//! A read-write lock with optimistic reads (Java's `StampedLock`). An optimistic read takes no
//! lock; it checks afterwards that no writer was active (a sequence lock). ReadHolds are
//! represented by stamps, not by threads.

use super::thread_id::ThreadId;
use super::{AcquireOutcome, RwLock, Sleep};
use crate::primitive::atomic::{AtomicU64, Ordering, fence};
use std::sync::Arc;

/// What a stamp permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampMode {
    /// Optimistic reading, to be validated afterwards.
    Optimistic,
    /// Reading under a shared hold.
    Read,
    /// Writing under an exclusive hold.
    Write,
}

/// The lock. A stamp is the version shifted left by two, plus 1, 2 or 3 for its [`StampMode`]. 0 is
/// not a stamp.
pub struct StampedLock {
    rw: Arc<RwLock>,
    /// Odd while a writer is inside. Begins at 2. The writer stores the odd value before a Release
    /// fence and the even one with Release. Readers load it with Acquire and validate with a
    /// Relaxed load after an Acquire fence.
    version: AtomicU64,
}

impl Default for StampedLock {
    fn default() -> Self {
        Self { rw: RwLock::new(false), version: AtomicU64::new(2) }
    }
}

fn stamp(version: u64, mode: StampMode) -> u64 {
    version << 2 | (mode as u64 + 1)
}

/// Returns the mode of a stamp, or `None` if it is not a stamp.
pub fn stamp_mode(stamp: u64) -> Option<StampMode> {
    match stamp & 3 {
        1 => Some(StampMode::Optimistic),
        2 => Some(StampMode::Read),
        3 => Some(StampMode::Write),
        _ => None,
    }
}

impl StampedLock {
    /// Returns the underlying read-write lock.
    pub fn rw(&self) -> &RwLock {
        &self.rw
    }

    pub fn is_write_locked(&self) -> bool {
        self.version.load(Ordering::Relaxed) & 1 == 1
    }

    /// Returns an optimistic stamp, or 0 while a writer is inside.
    #[inline]
    pub fn try_optimistic_read(&self) -> u64 {
        let version = self.version.load(Ordering::Acquire);
        if version & 1 == 0 { stamp(version, StampMode::Optimistic) } else { 0 }
    }

    /// Returns true if no writer was active since the stamp was issued, other than the stamp's own.
    #[inline]
    pub fn validate(&self, stamp: u64) -> bool {
        fence(Ordering::Acquire);
        stamp != 0 && stamp >> 2 == self.version.load(Ordering::Relaxed)
    }

    fn current_stamp(&self, mode: StampMode) -> u64 {
        stamp(self.version.load(Ordering::Relaxed), mode)
    }

    /// Acquires a shared hold and returns its stamp, or 0 if `sleep` gave up.
    pub fn lock_shared<E>(&self, thread: ThreadId, sleep: impl Sleep<E>) -> Result<u64, E> {
        Ok(if self.rw.lock_shared(thread, sleep)? {
            self.current_stamp(StampMode::Read)
        } else {
            0
        })
    }

    /// Acquires a shared hold without waiting. Returns its stamp, or 0.
    pub fn try_lock_shared(&self, thread: ThreadId) -> u64 {
        if self.rw.try_lock_shared(thread) { self.current_stamp(StampMode::Read) } else { 0 }
    }

    /// Acquires the lock exclusively. Returns its stamp, which is 0 unless the lock was acquired.
    pub fn lock_exclusive<E>(
        &self,
        thread: ThreadId,
        sleep: impl Sleep<E>,
    ) -> Result<(AcquireOutcome, u64), E> {
        let outcome = self.rw.lock_exclusive(thread, sleep)?;
        Ok((outcome, if outcome == AcquireOutcome::Acquired { self.begin_write() } else { 0 }))
    }

    /// Acquires the lock exclusively without waiting. Returns its stamp, or 0.
    pub fn try_lock_exclusive(&self, thread: ThreadId) -> u64 {
        if self.rw.try_lock_exclusive(thread) { self.begin_write() } else { 0 }
    }

    fn begin_write(&self) -> u64 {
        let version = self.version.load(Ordering::Relaxed) + 1;
        self.version.store(version, Ordering::Relaxed);
        // The odd version becomes visible before any later write of the critical section.
        fence(Ordering::Release);
        stamp(version, StampMode::Write)
    }

    fn end_write(&self, version: u64) {
        self.version.store(version + 1, Ordering::Release);
    }

    /// Releases the hold of a read or write stamp. Returns false if the lock is not held with it.
    pub fn unlock(&self, thread: ThreadId, stamp: u64) -> bool {
        let version = stamp >> 2;
        match stamp_mode(stamp) {
            Some(StampMode::Read) if self.validate(stamp) && self.rw.reader_count() > 0 => {
                self.rw.unlock_shared(thread)
            }
            // If two threads release the same stamp, one of them fails here.
            Some(StampMode::Write) if version & 1 == 1 => {
                let next = self.version.compare_exchange(
                    version,
                    version + 1,
                    Ordering::Release,
                    Ordering::Relaxed,
                );
                if next.is_err() {
                    return false;
                }
                self.rw.unlock_exclusive();
            }
            _ => return false,
        }
        true
    }

    /// Converts any valid stamp into a write stamp without waiting, if no writer was active since.
    /// Otherwise returns 0 and changes nothing.
    pub fn try_convert_to_write(&self, thread: ThreadId, stamp: u64) -> u64 {
        if !self.validate(stamp) {
            return 0;
        }
        let readers = match stamp_mode(stamp) {
            Some(StampMode::Write) => return stamp,
            Some(StampMode::Read) => 1,
            _ => 0,
        };
        if !self.rw.try_lock_exclusive_converting(thread, readers) {
            return 0;
        }
        if self.validate(stamp) {
            return self.begin_write();
        }
        // A writer has just invalidated the optimistic stamp.
        self.rw.unlock_exclusive();
        0
    }

    /// Converts any valid stamp into a read stamp in the same way. A write stamp is downgraded
    /// without letting another writer in between.
    pub fn try_convert_to_read(&self, thread: ThreadId, stamp: u64) -> u64 {
        if !self.validate(stamp) {
            return 0;
        }
        match stamp_mode(stamp) {
            Some(StampMode::Read) => stamp,
            Some(StampMode::Write) => {
                self.end_write(stamp >> 2);
                let read = self.current_stamp(StampMode::Read);
                self.rw.downgrade(thread);
                read
            }
            _ if self.rw.try_lock_shared(thread) => {
                if self.validate(stamp) {
                    return self.current_stamp(StampMode::Read);
                }
                self.rw.unlock_shared(thread);
                0
            }
            _ => 0,
        }
    }
}
