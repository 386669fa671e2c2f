//! Sleeping with futex(2). Unlike std's parking, it returns when a signal arrives, because Python's
//! signal handlers must run in the thread that slept.

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

/// Wakes all threads that sleep on `word`.
pub(super) fn wake(word: &AtomicU32) {
    // Fails only for invalid addresses, on which no thread can sleep.
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}

/// Returns true for the process's first thread, to which the kernel delivers process-directed
/// signals if it can.
pub fn is_main_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
