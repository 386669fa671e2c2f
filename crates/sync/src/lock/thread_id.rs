//! Thread identity for locks: a number that is never reused, the kernel's thread id (for external
//! readers such as `ungil dump`) and the id that Python's `threading` shows. Also tracks forks,
//! after which only the forking thread exists.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);
/// Number of forks between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Threads with a lower number exist only in the parent process, except [`SURVIVOR`].
static FIRST_IN_PROCESS: AtomicU32 = AtomicU32::new(0);
/// The thread that called fork(2).
static SURVIVOR: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static CURRENT: Cell<ThreadId> = const { Cell::new(ThreadId { word: 0, ident: 0 }) };
}

/// Identifies a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadId {
    /// The number in the upper 32 bits, gettid(2) in the lower.
    pub(super) word: u64,
    /// pthread_self(3), which is `threading.get_ident()`.
    pub(super) ident: u64,
}

impl ThreadId {
    /// Returns the calling thread's id.
    #[inline]
    pub fn current() -> Self {
        let thread = CURRENT.get();
        if thread.word != 0 { thread } else { Self::assign(NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    #[cold]
    fn assign(number: u32) -> Self {
        let thread =
            Self { word: u64::from(number) << 32 | u64::from(native_id()), ident: ident() };
        CURRENT.set(thread);
        thread
    }

    /// Returns an id with that number, for models whose threads are not system threads.
    #[cfg(all(test, loom))]
    pub(crate) fn from_number(number: u32) -> Self {
        Self { word: u64::from(number) << 32, ident: u64::from(number) }
    }

    /// Returns the number, counted from 1. The first N threads that ask have the numbers 1 to N.
    #[inline]
    pub fn number(self) -> u32 {
        number(self.word)
    }
}

#[inline]
pub(super) fn number(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Returns true if the thread in `word` exists only in the parent of a fork.
pub(super) fn is_left_in_parent(word: u64) -> bool {
    let number = number(word);
    number != 0
        && number < FIRST_IN_PROCESS.load(Ordering::Relaxed)
        && number != SURVIVOR.load(Ordering::Relaxed)
}

/// Returns how often this process and its ancestors were forked.
pub(super) fn fork_count() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Records, in the child of a fork, that all threads but the calling one are gone. Returns the
/// caller's id.
pub(super) fn after_fork_in_child() -> ThreadId {
    let mine = ThreadId::current().number();
    ThreadId::assign(mine);
    SURVIVOR.store(mine, Ordering::Relaxed);
    FIRST_IN_PROCESS.store(NEXT.load(Ordering::Relaxed), Ordering::Relaxed);
    FORKS.fetch_add(1, Ordering::Relaxed);
    ThreadId::current()
}

#[cfg(target_os = "linux")]
fn native_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned()
}

#[cfg(not(target_os = "linux"))]
fn native_id() -> u32 {
    0
}

#[cfg(unix)]
fn ident() -> u64 {
    unsafe extern "C" {
        fn pthread_self() -> usize;
    }
    // SAFETY: always succeeds; its result is an integer or a pointer on every Unix.
    unsafe { pthread_self() as u64 }
}

#[cfg(not(unix))]
fn ident() -> u64 {
    0
}
