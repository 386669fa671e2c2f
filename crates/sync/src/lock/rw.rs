//! Many readers or one writer, and readers that do not meet: each counts itself on a line of its
//! own and looks at the gate, which only writers write ("big reader lock"). Both sides write first
//! and look then, so that a reader and a writer cannot miss each other.
//!
//! Phases keep either side from starving. A writer shuts the gate, so that it waits for no reader
//! but those that are in; when it opens the gate, all readers that queued at it are let in at once,
//! before any other writer. Writers queue among themselves, in order.
//!
//! The count of one stripe may be negative, because whoever lets go may be another thread than the
//! one that came. Only the sum means anything; and since a shut gate lets nobody in, a sum taken
//! then is never less than the truth.

use super::me::{self, Me};
use super::queue::{Node, Queue};
use super::{Holds, Lock, Mutex, Outcome, SHORT, Sleep, full_fence, lock, spin_until, wait_for};
use crate::park::WaitSet;
use crate::prim::atomic::{AtomicI64, AtomicU32, Ordering};
use crate::stripe::stripes;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

const OPEN: u32 = 0;
const SHUT: u32 = 1;

/// The lock, without knowledge of who reads.
pub struct Rw {
    /// Written by writers only.
    gate: CachePadded<AtomicU32>,
    stripes: Box<[CachePadded<AtomicI64>]>,
    mask: usize,
    id: u64,
    /// Readers of a parent were forgotten that may live in this process, or a writer died in the
    /// middle of its work.
    lost: AtomicBool,
    /// Whether the holds of each thread are known ([`Holds`]).
    holds_known: bool,
    readers: Mutex<Queue>,
    writers: Lock,
    /// The writer that waits for the readers to leave.
    drain: WaitSet,
}

/// All such locks, for the child of a fork to look through.
static ALL: std::sync::Mutex<Vec<Weak<Rw>>> = std::sync::Mutex::new(Vec::new());

/// Asking the system takes longer than all the rest of making a lock.
static STRIPES: std::sync::LazyLock<usize> = std::sync::LazyLock::new(stripes);

/// Lets go of what the threads held that a fork left behind. To be called in the child, by its one
/// thread, before it comes to any lock.
pub fn forked() {
    let me = me::forked();
    let all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.iter().filter_map(Weak::upgrade).for_each(|lock| lock.mind_fork(me));
}

impl Rw {
    /// A lock that nobody holds. `holds_known` says that readers keep their [`Holds`].
    pub fn new(holds_known: bool) -> Arc<Self> {
        let new = Arc::new(Self::with_stripes(*STRIPES, holds_known));
        let mut all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|lock| lock.strong_count() != 0);
        }
        all.push(Arc::downgrade(&new));
        new
    }

    pub(super) fn with_stripes(stripes: usize, holds_known: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            gate: CachePadded::new(AtomicU32::new(OPEN)),
            stripes: (0..stripes).map(|_| CachePadded::new(AtomicI64::new(0))).collect(),
            mask: stripes - 1,
            id: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            lost: AtomicBool::new(false),
            holds_known,
            readers: Mutex::new(Queue::default()),
            writers: Lock::new(true),
            drain: WaitSet::default(),
        }
    }

    /// A number no other lock has, ever.
    #[inline]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The lock that writers hold among themselves: its holder is the writer, there or waiting for
    /// readers to leave. Its depth is 0 until the writer is in, 1 then, and the writer's own to
    /// count on.
    pub fn writers(&self) -> &Lock {
        &self.writers
    }

    /// Whether a writer is in, and not just waiting for readers to leave.
    pub fn is_written(&self) -> bool {
        self.writers.depth().load(Ordering::Relaxed) != 0
    }

    /// Whether a fork left it in a state nobody can vouch for.
    pub fn is_lost(&self) -> bool {
        self.lost.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn mind_fork(&self, me: Me) {
        let mine = if self.holds_known { i64::from(Holds::count(self.id) != 0) } else { 0 };
        let orphaned = self.writers.is_orphaned();
        // A writer that was still waiting for readers has done no harm.
        let lost = orphaned && self.is_written() || !self.holds_known && self.sum() != 0;
        self.lost.store(lost, std::sync::atomic::Ordering::Relaxed);
        if orphaned && !lost {
            self.writers.reinit();
            self.gate.store(OPEN, Ordering::Relaxed);
        }
        self.stripes.iter().for_each(|stripe| stripe.store(0, Ordering::Relaxed));
        self.stripe(me).store(mine, Ordering::Relaxed);
    }

    #[inline]
    fn stripe(&self, me: Me) -> &AtomicI64 {
        &self.stripes[me.number() as usize & self.mask]
    }

    /// How many readers there are, at most, while the gate is shut; about how many otherwise.
    pub fn sum(&self) -> i64 {
        self.stripes.iter().map(|stripe| stripe.load(Ordering::SeqCst)).sum()
    }

    /// How many threads wait to read, and to write.
    pub fn waiters(&self) -> (usize, usize) {
        let mut readers = lock(&self.readers);
        readers.mind_forks();
        (readers.len(), self.writers.waiters() + self.drain.len())
    }

    /// Goes in to read if no writer is there or waits.
    #[inline]
    pub fn try_read(&self, me: Me) -> bool {
        self.stripe(me).fetch_add(1, Ordering::SeqCst);
        full_fence();
        let open = self.gate.load(Ordering::SeqCst) == OPEN;
        if !open {
            self.leave(me);
        }
        open
    }

    /// Goes in though a writer waits: for a thread that is in already, whether as a reader or as
    /// the writer.
    pub fn read_inside(&self, me: Me) {
        self.stripe(me).fetch_add(1, Ordering::SeqCst);
    }

    /// Goes in to read. False if the caller gave up.
    #[inline]
    pub fn read<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<bool, E> {
        if self.try_read(me) { Ok(true) } else { self.queue_to_read(me, sleep) }
    }

    #[cold]
    fn queue_to_read<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<bool, E> {
        if spin_until(SHORT, || self.gate.load(Ordering::Relaxed) == OPEN && self.try_read(me)) {
            return Ok(true);
        }
        let node = Node::new(std::ptr::from_ref(&self.writers).addr(), me, 1);
        {
            let mut readers = lock(&self.readers);
            readers.mind_forks();
            // The gate is opened under this mutex: whoever finds it shut here will be let in.
            if self.try_read(me) {
                return Ok(true);
            }
            readers.push(node.clone());
        }
        let woken = if spin_until(SHORT, || node.parker.is_raised()) {
            Ok(true)
        } else {
            sleep(&node.parker)
        };
        if !matches!(woken, Ok(true)) && lock(&self.readers).remove(&node).is_some() {
            return woken;
        }
        // Let in, and counted, by the writer that left.
        woken.map(|_| true).inspect_err(|_| self.leave(me))
    }

    /// A reader leaves.
    #[inline]
    pub fn leave(&self, me: Me) {
        self.stripe(me).fetch_sub(1, Ordering::SeqCst);
        full_fence();
        if self.gate.load(Ordering::SeqCst) != OPEN {
            self.tell_writer();
        }
    }

    #[cold]
    fn tell_writer(&self) {
        // Of several that leave at once, the last sees what all did.
        if self.sum() == 0 {
            self.drain.notify_all();
        }
    }

    /// Goes in to write if nobody is there.
    pub fn try_write(&self, me: Me) -> bool {
        self.try_write_beside(me, 0)
    }

    /// Goes in to write if nobody but `readers` readers are there, who are the caller and become
    /// the writer.
    pub fn try_write_beside(&self, me: Me, readers: i64) -> bool {
        if !self.writers.try_acquire(me) {
            return false;
        }
        self.shut();
        if self.sum() > readers {
            self.end_write();
            return false;
        }
        self.stripe(me).fetch_sub(readers, Ordering::SeqCst);
        self.writers.depth().store(1, Ordering::Relaxed);
        true
    }

    /// Goes in to write, when those who read have left.
    pub fn write<E>(&self, me: Me, sleep: impl Sleep<E>) -> Result<Outcome, E> {
        match self.writers.acquire(me, &sleep)? {
            Outcome::Acquired => {}
            other => return Ok(other),
        }
        self.shut();
        let subject = std::ptr::from_ref(&self.writers).addr();
        match wait_for(&self.drain, subject, false, || self.sum() == 0, sleep) {
            Ok(true) => {
                self.writers.depth().store(1, Ordering::Relaxed);
                Ok(Outcome::Acquired)
            }
            Ok(false) => {
                self.end_write();
                Ok(Outcome::TimedOut)
            }
            Err(error) => {
                self.end_write();
                Err(error)
            }
        }
    }

    fn shut(&self) {
        self.gate.store(SHUT, Ordering::SeqCst);
        full_fence();
    }

    /// The writer leaves: first come the readers that queued meanwhile.
    pub fn end_write(&self) {
        self.writers.depth().store(0, Ordering::Relaxed);
        let mut told = Vec::new();
        {
            let mut readers = lock(&self.readers);
            readers.mind_forks();
            while let Some(node) = readers.pop() {
                node.grant();
                told.push(node);
            }
            self.stripes[0].fetch_add(told.len() as i64, Ordering::SeqCst);
            self.gate.store(OPEN, Ordering::SeqCst);
        }
        told.iter().for_each(|node| node.parker.unpark());
        self.writers.release();
    }

    /// The writer becomes a reader, with no other writer in between.
    pub fn downgrade(&self, me: Me) {
        self.read_inside(me);
        self.end_write();
    }
}
