//! A read-write lock whose readers do not contend with each other ("big-reader lock", as in Linux's
//! brlock and per-CPU rwsem). Each reader counts itself on a line of its own, then checks the gate,
//! which only writers change. A writer closes the gate, then sums the reader counts. Both sides
//! write first and read second, with a full barrier in between, so that a reader and a writer
//! cannot miss each other.
//!
//! The lock is phase-fair: neither side starves. A writer closes the gate, so it waits only for the
//! readers already inside. When it opens the gate, all readers queued at it enter at once, before
//! the next writer. Writers queue among themselves in FIFO order.
//!
//! The count of a single stripe may be negative, because a hold may be released by another thread
//! than the one that acquired it. Only the sum is meaningful. A closed gate admits no reader, so a
//! sum taken then is never below the true number.

use super::thread_id::{self, ThreadId};
use super::wait_queue::{WaitNode, WaitQueue};
use super::{
    AcquireOutcome, Lock, Mutex, ReadHolds, SPIN_PAUSES, Sleep, full_fence, lock, spin_until,
    wait_for,
};
use crate::park::WaitSet;
use crate::primitive::atomic::{AtomicI64, AtomicU32, Ordering};
use crate::stripe::stripe_count;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

const OPEN: u32 = 0;
const CLOSED: u32 = 1;

/// The read-write lock. It does not know which threads read.
pub struct RwLock {
    /// [`OPEN`] or [`CLOSED`]. Written by writers only, with SeqCst; opened under the mutex of
    /// `readers`.
    gate: CachePadded<AtomicU32>,
    /// Reader counts, chosen by thread number. Changed and summed with SeqCst, which orders them
    /// against `gate`.
    stripes: Box<[CachePadded<AtomicI64>]>,
    mask: usize,
    id: u64,
    /// True if a fork left the protected data in an unknown state: untracked readers of the parent
    /// may survive here, or a writer was in its critical section.
    corrupted: AtomicBool,
    /// True if readers record their holds in [`ReadHolds`].
    tracks_holds: bool,
    readers: Mutex<WaitQueue>,
    writers: Lock,
    /// The writer that waits for the readers to leave.
    drain: WaitSet,
}

/// All read-write locks, visited in the child of a fork.
static ALL: std::sync::Mutex<Vec<Weak<RwLock>>> = std::sync::Mutex::new(Vec::new());

/// Cached, because the system call takes longer than making a lock.
static STRIPES: std::sync::LazyLock<usize> = std::sync::LazyLock::new(stripe_count);

/// Releases what threads of the parent process held. Must be called in the child by its only
/// thread, before it uses any lock.
pub fn after_fork_in_child() {
    let thread = thread_id::after_fork_in_child();
    let all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.iter().filter_map(Weak::upgrade).for_each(|lock| lock.reset_after_fork(thread));
}

impl RwLock {
    /// Creates a free lock. With `tracks_holds`, readers must record their holds in [`ReadHolds`].
    pub fn new(tracks_holds: bool) -> Arc<Self> {
        let new = Arc::new(Self::with_stripes(*STRIPES, tracks_holds));
        let mut all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|lock| lock.strong_count() != 0);
        }
        all.push(Arc::downgrade(&new));
        new
    }

    pub(super) fn with_stripes(stripes: usize, tracks_holds: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            gate: CachePadded::new(AtomicU32::new(OPEN)),
            stripes: (0..stripes).map(|_| CachePadded::new(AtomicI64::new(0))).collect(),
            mask: stripes - 1,
            id: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            corrupted: AtomicBool::new(false),
            tracks_holds,
            readers: Mutex::new(WaitQueue::default()),
            writers: Lock::new(true),
            drain: WaitSet::default(),
        }
    }

    /// Returns the lock's id, which is never reused.
    #[inline]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the lock that serializes writers. Its holder is the current writer, or the one
    /// waiting for readers to leave. Its depth is 0 while that writer waits and 1 once it is
    /// inside; the writer may count re-entries on it.
    pub fn writers(&self) -> &Lock {
        &self.writers
    }

    /// Returns true if a writer is inside, as opposed to waiting for readers to leave.
    pub fn is_locked_exclusive(&self) -> bool {
        self.writers.depth().load(Ordering::Relaxed) != 0
    }

    /// Returns true if a fork left the protected data in an unknown state.
    pub fn is_corrupted_by_fork(&self) -> bool {
        self.corrupted.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn reset_after_fork(&self, thread: ThreadId) {
        let mine = if self.tracks_holds { i64::from(ReadHolds::count(self.id) != 0) } else { 0 };
        let orphaned = self.writers.is_orphaned();
        // A writer that was still waiting for readers has not changed the data.
        let corrupted = orphaned && self.is_locked_exclusive()
            || !self.tracks_holds && self.reader_count() != 0;
        self.corrupted.store(corrupted, std::sync::atomic::Ordering::Relaxed);
        if orphaned && !corrupted {
            self.writers.reinit();
            self.gate.store(OPEN, Ordering::Relaxed);
        }
        self.stripes.iter().for_each(|stripe| stripe.store(0, Ordering::Relaxed));
        self.stripe(thread).store(mine, Ordering::Relaxed);
    }

    #[inline]
    fn stripe(&self, thread: ThreadId) -> &AtomicI64 {
        &self.stripes[thread.number() as usize & self.mask]
    }

    /// Returns the number of readers. An upper bound while the gate is closed, approximate
    /// otherwise.
    pub fn reader_count(&self) -> i64 {
        self.stripes.iter().map(|stripe| stripe.load(Ordering::SeqCst)).sum()
    }

    /// Returns the number of threads waiting to read and to write.
    pub fn waiters(&self) -> (usize, usize) {
        let mut readers = lock(&self.readers);
        readers.discard_after_fork();
        (readers.len(), self.writers.waiters() + self.drain.len())
    }

    /// Acquires a shared hold unless a writer is inside or waits.
    #[inline]
    pub fn try_lock_shared(&self, thread: ThreadId) -> bool {
        self.stripe(thread).fetch_add(1, Ordering::SeqCst);
        full_fence();
        let open = self.gate.load(Ordering::SeqCst) == OPEN;
        if !open {
            self.unlock_shared(thread);
        }
        open
    }

    /// Acquires a shared hold even if a writer waits. Only for a thread that already holds the
    /// lock, shared or exclusive.
    pub fn lock_shared_nested(&self, thread: ThreadId) {
        self.stripe(thread).fetch_add(1, Ordering::SeqCst);
    }

    /// Acquires a shared hold. Returns false if `sleep` gave up.
    #[inline]
    pub fn lock_shared<E>(&self, thread: ThreadId, sleep: impl Sleep<E>) -> Result<bool, E> {
        if self.try_lock_shared(thread) { Ok(true) } else { self.lock_shared_slow(thread, sleep) }
    }

    #[cold]
    fn lock_shared_slow<E>(&self, thread: ThreadId, sleep: impl Sleep<E>) -> Result<bool, E> {
        if spin_until(SPIN_PAUSES, || {
            self.gate.load(Ordering::Relaxed) == OPEN && self.try_lock_shared(thread)
        }) {
            return Ok(true);
        }
        let node = WaitNode::new(std::ptr::from_ref(&self.writers).addr(), thread, 1);
        {
            let mut readers = lock(&self.readers);
            readers.discard_after_fork();
            // The gate is opened under this mutex, so a reader queued while it is closed will be
            // admitted.
            if self.try_lock_shared(thread) {
                return Ok(true);
            }
            readers.push(node.clone());
        }
        let woken = if spin_until(SPIN_PAUSES, || node.parker.is_raised()) {
            Ok(true)
        } else {
            sleep(&node.parker)
        };
        if !matches!(woken, Ok(true)) && lock(&self.readers).remove(&node).is_some() {
            return woken;
        }
        // The departing writer has admitted and counted this reader.
        woken.map(|_| true).inspect_err(|_| self.unlock_shared(thread))
    }

    /// Releases a shared hold.
    #[inline]
    pub fn unlock_shared(&self, thread: ThreadId) {
        self.stripe(thread).fetch_sub(1, Ordering::SeqCst);
        full_fence();
        if self.gate.load(Ordering::SeqCst) != OPEN {
            self.notify_writer();
        }
    }

    #[cold]
    fn notify_writer(&self) {
        // Of several readers that leave at once, the last sees the decrements of all.
        if self.reader_count() == 0 {
            self.drain.notify_all();
        }
    }

    /// Acquires the lock exclusively if nobody holds it.
    pub fn try_lock_exclusive(&self, thread: ThreadId) -> bool {
        self.try_lock_exclusive_converting(thread, 0)
    }

    /// Acquires the lock exclusively if there are at most `readers` shared holds. These belong to
    /// the caller and are converted.
    pub fn try_lock_exclusive_converting(&self, thread: ThreadId, readers: i64) -> bool {
        if !self.writers.try_acquire(thread) {
            return false;
        }
        self.close_gate();
        if self.reader_count() > readers {
            self.unlock_exclusive();
            return false;
        }
        self.stripe(thread).fetch_sub(readers, Ordering::SeqCst);
        self.writers.depth().store(1, Ordering::Relaxed);
        true
    }

    /// Acquires the lock exclusively, waiting until the readers inside have left.
    pub fn lock_exclusive<E>(
        &self,
        thread: ThreadId,
        sleep: impl Sleep<E>,
    ) -> Result<AcquireOutcome, E> {
        match self.writers.acquire(thread, &sleep)? {
            AcquireOutcome::Acquired => {}
            other => return Ok(other),
        }
        self.close_gate();
        let subject = std::ptr::from_ref(&self.writers).addr();
        match wait_for(&self.drain, subject, false, || self.reader_count() == 0, sleep) {
            Ok(true) => {
                self.writers.depth().store(1, Ordering::Relaxed);
                Ok(AcquireOutcome::Acquired)
            }
            Ok(false) => {
                self.unlock_exclusive();
                Ok(AcquireOutcome::TimedOut)
            }
            Err(error) => {
                self.unlock_exclusive();
                Err(error)
            }
        }
    }

    fn close_gate(&self) {
        self.gate.store(CLOSED, Ordering::SeqCst);
        full_fence();
    }

    /// Releases the lock and admits the readers that queued meanwhile, before any other writer.
    pub fn unlock_exclusive(&self) {
        self.writers.depth().store(0, Ordering::Relaxed);
        let mut admitted = Vec::new();
        {
            let mut readers = lock(&self.readers);
            readers.discard_after_fork();
            while let Some(node) = readers.pop() {
                node.grant();
                admitted.push(node);
            }
            self.stripes[0].fetch_add(admitted.len() as i64, Ordering::SeqCst);
            self.gate.store(OPEN, Ordering::SeqCst);
        }
        admitted.iter().for_each(|node| node.parker.unpark());
        self.writers.release();
    }

    /// Converts the exclusive hold into a shared one without letting another writer in between.
    pub fn downgrade(&self, thread: ThreadId) {
        self.lock_shared_nested(thread);
        self.unlock_exclusive();
    }
}
