//! futex(2), because a signal must end the sleep: Python's handlers run in the thread that slept,
//! not beneath it. And which thread that is: the process's first.

use super::Woken;
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `*word == expected`.
pub(super) fn wait(word: &AtomicU32, expected: u32, limit: Option<Duration>) -> Woken {
    let limit = limit.map(|d| Timespec {
        tv_sec: d.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: d.subsec_nanos().into(),
    });
    match futex::wait(word, Flags::PRIVATE, expected, limit.as_ref()) {
        Err(Errno::TIMEDOUT) => Woken::TimedOut,
        Err(Errno::INTR) => Woken::Interrupted,
        _ => Woken::Notified,
    }
}

/// Wakes whoever sleeps on `word`.
pub(super) fn wake(word: &AtomicU32) {
    // Fails only for a word that nobody can sleep on.
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}

/// Whether this is the process's first thread, the one that the system gives signals to where it
/// can.
pub fn is_main_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
