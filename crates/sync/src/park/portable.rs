//! Fallback for systems without an interruptible futex: sleeps of one millisecond, each reported as
//! interrupted, so that the caller checks for signals. A better implementation for another system
//! gets a file of its own.

use super::Woken;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Sleeps while `*word == expected`.
pub(super) fn wait(word: &AtomicU32, expected: u32, limit: Option<Duration>) -> Woken {
    std::thread::sleep(limit.map_or(POLL_INTERVAL, |d| d.min(POLL_INTERVAL)));
    match word.load(Ordering::Acquire) == expected {
        false => Woken::Notified,
        true if limit.is_some_and(|d| d <= POLL_INTERVAL) => Woken::TimedOut,
        true => Woken::Interrupted,
    }
}

/// Does nothing: sleepers poll.
pub(super) fn wake(_word: &AtomicU32) {}

/// Returns false: every sleep is short and ends as interrupted, so no thread needs special
/// treatment.
pub fn is_main_thread() -> bool {
    false
}
