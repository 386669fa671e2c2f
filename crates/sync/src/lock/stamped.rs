//! A read-write lock that also lets one read without coming in at all, and ask afterwards whether a
//! writer came by (Java's `StampedLock`, a sequence lock). Holds are stamps, not threads.

use super::me::Me;
use super::{Outcome, Rw, Sleep};
use crate::prim::atomic::{AtomicU64, Ordering, fence};
use std::sync::Arc;

/// What a stamp allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To look, and to ask afterwards.
    Optimistic,
    /// To read.
    Read,
    /// To read and write.
    Write,
}

/// The lock. A stamp is the version, shifted left by two, and the mode; 0 is no stamp.
pub struct Stamped {
    rw: Arc<Rw>,
    /// Odd while a writer is in.
    version: AtomicU64,
}

impl Default for Stamped {
    fn default() -> Self {
        Self { rw: Rw::new(false), version: AtomicU64::new(2) }
    }
}

fn stamp(version: u64, mode: Mode) -> u64 {
    version << 2 | (mode as u64 + 1)
}

/// The mode of a stamp.
pub fn mode(stamp: u64) -> Option<Mode> {
    match stamp & 3 {
        1 => Some(Mode::Optimistic),
        2 => Some(Mode::Read),
        3 => Some(Mode::Write),
        _ => None,
    }
}

impl Stamped {
    /// The lock beneath.
    pub fn rw(&self) -> &Rw {
        &self.rw
    }

    /// Whether a writer is in.
    pub fn is_write_locked(&self) -> bool {
        self.version.load(Ordering::Relaxed) & 1 == 1
    }

    /// A stamp to look by, or 0 while a writer is in.
    #[inline]
    pub fn try_optimistic_read(&self) -> u64 {
        let version = self.version.load(Ordering::Acquire);
        if version & 1 == 0 { stamp(version, Mode::Optimistic) } else { 0 }
    }

    /// Whether no writer has been in since the stamp was given (other than its own).
    #[inline]
    pub fn validate(&self, stamp: u64) -> bool {
        fence(Ordering::Acquire);
        stamp != 0 && stamp >> 2 == self.version.load(Ordering::Relaxed)
    }

    fn now(&self, mode: Mode) -> u64 {
        stamp(self.version.load(Ordering::Relaxed), mode)
    }

    /// Reads. 0 if the caller gave up.
    pub fn read<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<u64, E> {
        Ok(if self.rw.read(me, sleep)? { self.now(Mode::Read) } else { 0 })
    }

    /// Reads if that needs no waiting; 0 otherwise.
    pub fn try_read(&self, me: Me) -> u64 {
        if self.rw.try_read(me) { self.now(Mode::Read) } else { 0 }
    }

    /// Writes.
    pub fn write<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<(Outcome, u64), E> {
        let outcome = self.rw.write(me, sleep)?;
        Ok((outcome, if outcome == Outcome::Acquired { self.begin() } else { 0 }))
    }

    /// Writes if that needs no waiting; 0 otherwise.
    pub fn try_write(&self, me: Me) -> u64 {
        if self.rw.try_write(me) { self.begin() } else { 0 }
    }

    fn begin(&self) -> u64 {
        let version = self.version.load(Ordering::Relaxed) + 1;
        self.version.store(version, Ordering::Relaxed);
        // What is written from here on is not seen before the odd version is.
        fence(Ordering::Release);
        stamp(version, Mode::Write)
    }

    fn finish(&self, version: u64) {
        self.version.store(version + 1, Ordering::Release);
    }

    /// Lets go of a read or write stamp. False if the lock is not held by it.
    pub fn unlock(&self, me: Me, stamp: u64) -> bool {
        let version = stamp >> 2;
        match mode(stamp) {
            Some(Mode::Read) if self.validate(stamp) && self.rw.sum() > 0 => self.rw.leave(me),
            // Of two that use one stamp twice, one fails.
            Some(Mode::Write) if version & 1 == 1 => {
                let next = self.version.compare_exchange(
                    version,
                    version + 1,
                    Ordering::Release,
                    Ordering::Relaxed,
                );
                if next.is_err() {
                    return false;
                }
                self.rw.end_write();
            }
            _ => return false,
        }
        true
    }

    /// The stamp of a writer, made of any stamp, if that needs no waiting and nobody has written
    /// since; 0, and nothing has changed, otherwise.
    pub fn try_convert_to_write(&self, me: Me, stamp: u64) -> u64 {
        if !self.validate(stamp) {
            return 0;
        }
        let readers = match mode(stamp) {
            Some(Mode::Write) => return stamp,
            Some(Mode::Read) => 1,
            _ => 0,
        };
        if !self.rw.try_write_beside(me, readers) {
            return 0;
        }
        if self.validate(stamp) {
            return self.begin();
        }
        // An optimistic stamp that a writer overtook just now.
        self.rw.end_write();
        0
    }

    /// The stamp of a reader, likewise. A writer becomes a reader with nobody writing in between.
    pub fn try_convert_to_read(&self, me: Me, stamp: u64) -> u64 {
        if !self.validate(stamp) {
            return 0;
        }
        match mode(stamp) {
            Some(Mode::Read) => stamp,
            Some(Mode::Write) => {
                self.finish(stamp >> 2);
                let read = self.now(Mode::Read);
                self.rw.downgrade(me);
                read
            }
            _ if self.rw.try_read(me) => {
                if self.validate(stamp) {
                    return self.now(Mode::Read);
                }
                self.rw.leave(me);
                0
            }
            _ => 0,
        }
    }
}
