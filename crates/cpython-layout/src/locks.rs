//! Layout of `_thread.lock` and `_thread.RLock` objects.
//!
//! Source: Modules/_threadmodule.c. The structures are in no header; the offsets were determined
//! from held locks of live interpreters.

/// Implementation of a lock object. Patch releases of 3.13 changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// `_thread.lock` on a `PyMutex`. Waiters are parked on the mutex's address. Bits of its byte:
    /// 1 locked, 2 has waiters. No owner is recorded.
    Mutex {
        /// Offset of the `PyMutex`.
        at: u64,
    },
    /// `_thread.lock` on a semaphore (3.13.0 and some patch releases after it).
    Semaphore {
        /// Offset of a pointer to the `sem_t`, on which waiters sleep.
        semaphore: u64,
        /// Offset of a byte: 1 if locked.
        locked: u64,
    },
    /// `_thread.RLock` on a `_PyRecursiveMutex` (from 3.14 on).
    Recursive {
        /// Offset of the `PyMutex`.
        at: u64,
        /// Offset of the owner's ident, a word; 0 if there is no owner.
        owner: u64,
        /// Offset of a word: number of acquisitions minus one.
        level: u64,
    },
    /// `_thread.RLock` on a semaphore (3.13).
    RecursiveSemaphore {
        /// Offset of a pointer to the `sem_t`.
        semaphore: u64,
        /// Offset of the owner's ident, a word.
        owner: u64,
        /// Offset of a word: number of acquisitions.
        count: u64,
    },
}

impl LockKind {
    /// Returns the implementation of a type with this name (`tp_name`) and size (`tp_basicsize`);
    /// `header` is the size of an object header. `None` if the type is not a `_thread` lock or has
    /// an unknown size.
    #[must_use]
    pub fn of(type_name: &str, basic_size: u64, header: u64) -> Option<LockKind> {
        let at = header;
        match (type_name, basic_size.checked_sub(at)?) {
            // A PyMutex and, in some releases, a list of weak references.
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
