//! What ends a test that never would, or that takes all memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Address space the test may use: many times what reading takes, far less than a size that was
/// believed.
const MAX_MEMORY_BYTES: u64 = 4 << 30;
/// The longest that reading one image may take before it is called a hang.
const HANG_TIMEOUT: Duration = Duration::from_secs(120);

/// Ends the process when the count that it gives stands still too long; a loop that never ends can
/// be ended in no other way.
pub(crate) fn watch() -> Arc<AtomicU64> {
    limit_memory();
    let rounds = Arc::new(AtomicU64::new(0));
    let watched = Arc::downgrade(&rounds);
    std::thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        while let Some(rounds) = watched.upgrade() {
            let now = rounds.load(Ordering::Relaxed);
            drop(rounds);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > HANG_TIMEOUT {
                eprintln!("round {now} hangs");
                std::process::abort();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    rounds
}

/// A size that is believed ends this test: an allocation beyond the limit aborts.
fn limit_memory() {
    let limit = rustix::process::Rlimit {
        current: Some(MAX_MEMORY_BYTES),
        maximum: Some(MAX_MEMORY_BYTES),
    };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).expect("a limit");
}
