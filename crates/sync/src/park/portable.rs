//! Systems without a futex that signals interrupt: short sleeps, each of which counts as
//! interrupted, so that the caller looks for signals. A system worth more gets a file of its own.

use super::Woken;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const SLICE: Duration = Duration::from_millis(1);

/// Sleeps while `*word == expected`.
pub(super) fn wait(word: &AtomicU32, expected: u32, limit: Option<Duration>) -> Woken {
    std::thread::sleep(limit.map_or(SLICE, |d| d.min(SLICE)));
    match word.load(Ordering::Acquire) == expected {
        false => Woken::Notified,
        true if limit.is_some_and(|d| d <= SLICE) => Woken::TimedOut,
        true => Woken::Interrupted,
    }
}

/// Wakes whoever sleeps on `word`: they look for themselves.
pub(super) fn wake(_word: &AtomicU32) {}

/// Whether this thread must look for signals: here every sleep ends soon, and its end counts as
/// one.
pub fn is_main_thread() -> bool {
    false
}
