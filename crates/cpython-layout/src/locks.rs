//! Lock objects of Python programs.
//!
//! Source: Modules/_threadmodule.c, whose objects are in no header: the offsets were found by
//! looking at held locks of the live builds.

/// How a lock object is made, which patch releases of 3.13 changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// `_thread.lock` on a `PyMutex`: who waits, waits at this offset. The byte there: 1 locked, 2
    /// has waiters. No owner.
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

impl LockKind {
    /// Returns how an object is made whose type has this name (`tp_name`) and size
    /// (`tp_basicsize`), with `header` the size of an object's header. `None` for what is no lock
    /// of the module `_thread`, or one of an unknown size.
    #[must_use]
    pub fn of(type_name: &str, basic_size: u64, header: u64) -> Option<LockKind> {
        let at = header;
        match (type_name, basic_size.checked_sub(at)?) {
            // PyMutex, and a list of weak references where it has one.
            ("_thread.lock", 8) => Some(LockKind::Mutex { at }),
            ("_thread.lock", 24) => Some(LockKind::Semaphore { semaphore: at, locked: at + 16 }),
            ("_thread.RLock", 24) => {
                Some(LockKind::Recursive { at, owner: at + 8, level: at + 16 })
            }
            ("_thread.RLock", 32) => {
                Some(LockKind::RecursiveSemaphore { semaphore: at, owner: at + 8, count: at + 16 })
            }
            _ => None,
        }
    }
}
