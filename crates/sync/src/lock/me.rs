//! Who a thread is to a lock: a number that is never given twice, the system's id (for a reader
//! from outside) and the id that Python's `threading` shows. And who is left after a fork: the one
//! thread that forked.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);
/// How often the process was forked on the way here.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Threads with a smaller number stayed in the parent, except [`SURVIVOR`].
static FIRST_HERE: AtomicU32 = AtomicU32::new(0);
static SURVIVOR: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static HERE: Cell<Me> = const { Cell::new(Me { word: 0, ident: 0 }) };
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Me {
    /// The number in the upper half, gettid(2) in the lower.
    pub(super) word: u64,
    /// pthread_self(3), which is `threading.get_ident()`.
    pub(super) ident: u64,
}

impl Me {
    /// The calling thread.
    #[inline]
    pub fn here() -> Self {
        let me = HERE.get();
        if me.word != 0 { me } else { Self::arrive(NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    #[cold]
    fn arrive(number: u32) -> Self {
        let me = Self { word: u64::from(number) << 32 | u64::from(native_id()), ident: ident() };
        HERE.set(me);
        me
    }

    /// A thread of that number, for models whose threads are not the system's.
    #[cfg(all(test, loom))]
    pub(crate) fn numbered(number: u32) -> Self {
        Self { word: u64::from(number) << 32, ident: u64::from(number) }
    }

    /// The number, from 1: the first N threads that come have the first N.
    #[inline]
    pub fn number(self) -> u32 {
        number(self.word)
    }
}

#[inline]
pub(super) fn number(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Whether the thread that `word` names stayed in the parent of a fork.
pub(super) fn is_gone(word: u64) -> bool {
    let number = number(word);
    number != 0
        && number < FIRST_HERE.load(Ordering::Relaxed)
        && number != SURVIVOR.load(Ordering::Relaxed)
}

/// How often the process was forked.
pub(super) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Notes, in the child of a fork, that all threads but the calling one are gone. Returns that one.
pub(super) fn forked() -> Me {
    let mine = Me::here().number();
    Me::arrive(mine);
    SURVIVOR.store(mine, Ordering::Relaxed);
    FIRST_HERE.store(NEXT.load(Ordering::Relaxed), Ordering::Relaxed);
    FORKS.fetch_add(1, Ordering::Relaxed);
    Me::here()
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
