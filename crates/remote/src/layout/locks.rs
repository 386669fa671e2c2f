//! Locks: the objects Python programs use, and the structures they are made of.
//!
//! Sources: cpython/lock.h (3.15: pylock.h), pycore_lock.h, critical_section.h, `struct _stoptheworld_state` in
//! pycore_interp_structs.h, and Modules/_threadmodule.c and _queuemodule.c, whose objects are in no header: those offsets were
//! found by looking at held locks and parked threads of the live builds.

use crate::offsets::DebugOffsets;

/// Offsets in lock objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locks {
    /// The size of an object's header, at which every lock object's own fields begin.
    pub header: u64,
    /// `ob_mutex` in every object's header, a `PyMutex`. Free-threaded builds.
    pub object_mutex: Option<u64>,
    /// `has_threads_waiting` in `_queue.SimpleQueue`: the address at which `get` waits.
    pub simple_queue: u64,
}

/// How a lock object is made, which patch releases of 3.13 changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// `_thread.lock` on a `PyMutex`: who waits, waits at this offset. The byte there: 1 locked, 2 has waiters. No owner.
    Mutex {
        /// The `PyMutex`.
        at: u64,
    },
    /// `_thread.lock` on a semaphore (3.13.0 and some after it).
    Semaphore {
        /// A pointer to the `sem_t`, which is what a waiter's futex call names.
        semaphore: u64,
        /// A byte: 1 locked.
        locked: u64,
    },
    /// `_thread.RLock` on a `_PyRecursiveMutex` (from 3.14 on).
    Recursive {
        /// The `PyMutex`.
        at: u64,
        /// The owner's ident, a word, 0 for none.
        owner: u64,
        /// A word: acquisitions less one.
        level: u64,
    },
    /// `_thread.RLock` on a semaphore (3.13).
    RecursiveSemaphore {
        /// A pointer to the `sem_t`.
        semaphore: u64,
        /// The owner's ident, a word.
        owner: u64,
        /// A word: acquisitions.
        count: u64,
    },
}

impl Locks {
    pub(super) fn of(offsets: &DebugOffsets) -> Locks {
        let header = offsets.pyobject.size;
        Locks { header, object_mutex: offsets.free_threaded.then_some(10), simple_queue: header }
    }

    /// How an object is made whose type has this name (`tp_name`) and size (`tp_basicsize`). `None` for what is no lock of the
    /// module `_thread`, or one of an unknown size.
    #[must_use]
    pub fn kind(&self, type_name: &str, basic_size: u64) -> Option<LockKind> {
        let at = self.header;
        match (type_name, basic_size.checked_sub(at)?) {
            // PyMutex, and a list of weak references where it has one.
            ("_thread.lock", 8) => Some(LockKind::Mutex { at }),
            ("_thread.lock", 24) => Some(LockKind::Semaphore { semaphore: at, locked: at + 16 }),
            ("_thread.RLock", 24) => Some(LockKind::Recursive { at, owner: at + 8, level: at + 16 }),
            ("_thread.RLock", 32) => {
                Some(LockKind::RecursiveSemaphore { semaphore: at, owner: at + 8, count: at + 16 })
            }
            _ => None,
        }
    }
}

/// `PyCriticalSection` and `PyCriticalSection2`, on the stack of the thread that is in one; the thread state points to the
/// innermost. The pointers carry two flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CriticalSection;

impl CriticalSection {
    /// In a pointer: the section is suspended, its mutexes are not held.
    pub const INACTIVE: u64 = 1;
    /// In a pointer: there is a second mutex.
    pub const TWO: u64 = 2;
    /// Both flags.
    pub const FLAGS: u64 = 3;
    /// `_cs_prev`: the next one outwards, a tagged pointer.
    pub const PREVIOUS: u64 = 0;
    /// `_cs_mutex`: a pointer to the mutex.
    pub const MUTEX: u64 = 8;
    /// `_cs_mutex2`.
    pub const MUTEX_2: u64 = 16;
}

/// Offsets in `struct _stoptheworld_state`, 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTheWorld;

impl StopTheWorld {
    /// `mutex`, a `PyMutex`.
    pub const MUTEX: u64 = 0;
    /// `requested`, a byte. The other fields mean something only while it is 1.
    pub const REQUESTED: u64 = 1;
    /// `world_stopped`, a byte.
    pub const STOPPED: u64 = 2;
    /// `stop_event`, a `PyEvent`: where the requester waits.
    pub const EVENT: u64 = 4;
    /// `thread_countdown`, a word: threads that still run.
    pub const COUNTDOWN: u64 = 8;
    /// `requester`, a thread state; it is not cleared when the pause ends.
    pub const REQUESTER: u64 = 16;
}

/// Offsets in `ThreadHandle`, to which `_thread._ThreadHandle` points with its first own word: what `Thread.join` waits at.
/// The same on 3.13, 3.14 and 3.15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadHandle;

impl ThreadHandle {
    /// `ident`: of the thread that is waited for.
    pub const IDENT: u64 = 32;
    /// `state`, an int: 1 not started, 2 starting, 3 running, 4 done.
    pub const STATE: u64 = 52;
    /// `mutex`, a `PyMutex`.
    pub const MUTEX: u64 = 56;
    /// `thread_is_exiting`, a `PyEvent`: where `join` waits.
    pub const EXITING: u64 = 57;
}
