//! The parking lot: where threads sleep that wait for a `PyMutex` (Python/parking_lot.c, in no header).
//!
//! A sleeping thread has a `struct wait_entry` on its own stack, in a list of the bucket its mutex belongs to. The table of
//! buckets is not looked for: the kernel says where a thread sleeps, which is in its entry.

/// Offsets in `struct wait_entry`. The futex a parked thread sleeps at is [`WaitEntry::SEMAPHORE`].
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
}
