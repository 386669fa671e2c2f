//! The parking lot: where threads sleep that wait for a `PyMutex` (Python/parking_lot.c, in no header).
//!
//! A sleeping thread has a `struct wait_entry` on its own stack, in a list of the bucket its mutex belongs to. The table of
//! buckets is a static variable without a symbol in stripped binaries; it is found because its lists are empty lists at a
//! fixed stride, or lead back to themselves through the waiters' stacks.

use crate::memory::{Memory, word};

/// Offsets in `struct wait_entry`, 72 bytes. The futex a parked thread sleeps at is [`WaitEntry::SEMAPHORE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitEntry;

impl WaitEntry {
    /// `sizeof(struct wait_entry)`.
    pub const SIZE: u64 = 72;
    /// `park_arg`; for a `PyMutex` a pointer to when it becomes fair (monotonic ns, 1 ms after the wait began) and whether it was
    /// handed over.
    pub const ARGUMENT: u64 = 0;
    /// `addr`: what is waited for.
    pub const ADDRESS: u64 = 8;
    /// `sema`, a `sem_t`.
    pub const SEMAPHORE: u64 = 16;
    /// `node`: next, previous.
    pub const NODE: u64 = 48;
    /// `is_unparking`, a byte: it is being woken.
    pub const UNPARKING: u64 = 64;
}

/// The table of buckets of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkingLot {
    /// Where the first bucket is.
    pub address: u64,
}

impl ParkingLot {
    /// `NUM_BUCKETS`.
    pub const BUCKETS: u64 = 257;
    /// `sizeof(Bucket)`: mutex, root{next, previous}, num_waiters.
    pub const BUCKET: u64 = 32;
    /// `root`, a list of [`WaitEntry::NODE`].
    pub const ROOT: u64 = 8;
    /// `num_waiters`, a word.
    pub const WAITERS: u64 = 24;

    /// Looks for the table in a part of the target's writable data that comes from a file (it has initial values); `bytes` are what is there from `address` on. The part
    /// must be aligned to words and have the whole table in it.
    #[must_use]
    pub fn find(memory: &dyn Memory, address: u64, bytes: &[u8]) -> Option<ParkingLot> {
        let size = (Self::BUCKETS * Self::BUCKET) as usize;
        let last = bytes.len().checked_sub(size)?;
        (0..=last).step_by(8).find_map(|start| {
            let here = address.checked_add(start as u64)?;
            let table = bytes.get(start..start + size)?;
            // A table without the first bucket's list in order is possible, and would be found at the next look.
            (is_empty(table, here, 0) && is_table(memory, table, here))
                .then_some(ParkingLot { address: here })
        })
    }

    /// The address of the bucket in which a thread waits for `address`.
    #[must_use]
    pub fn bucket(&self, address: u64) -> u64 {
        self.address.wrapping_add(address % Self::BUCKETS * Self::BUCKET)
    }

    /// The table, from one list's head in it and what is waited for there: a waiter's list gives it away without a search.
    #[must_use]
    pub fn from_root(root: u64, waited_for: u64) -> Option<ParkingLot> {
        let first = root.checked_sub(Self::ROOT)?.checked_sub(waited_for % Self::BUCKETS * Self::BUCKET)?;
        Some(ParkingLot { address: first })
    }
}

/// Bucket `index` has an empty list.
fn is_empty(table: &[u8], here: u64, index: u64) -> bool {
    let bucket = index * ParkingLot::BUCKET;
    let at = (bucket + ParkingLot::ROOT) as usize;
    let root = here.wrapping_add(bucket + ParkingLot::ROOT);
    word(table, at) == root && word(table, at + 8) == root
}

/// Every bucket has an empty list, or one whose first and last point back to it; a few may be in the middle of a change.
fn is_table(memory: &dyn Memory, table: &[u8], here: u64) -> bool {
    let points_back = |index: u64| {
        let bucket = index * ParkingLot::BUCKET;
        let at = (bucket + ParkingLot::ROOT) as usize;
        let root = here.wrapping_add(bucket + ParkingLot::ROOT);
        memory.u64(word(table, at).wrapping_add(8)).is_ok_and(|back| back == root)
            || memory.u64(word(table, at + 8)).is_ok_and(|back| back == root)
    };
    let empty = (0..ParkingLot::BUCKETS).filter(|&index| is_empty(table, here, index)).count() as u64;
    // Asking the memory costs a call each: a table is mostly empty, and what is not is asked only then.
    empty >= ParkingLot::BUCKETS / 2
        && (0..ParkingLot::BUCKETS).filter(|&i| !is_empty(table, here, i) && !points_back(i)).count() <= 8
}
