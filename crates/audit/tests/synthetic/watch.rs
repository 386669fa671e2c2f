//! Aborts a test that hangs or exhausts memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Address space limit: many times what parsing needs, far less than a hostile size.
const MAX_MEMORY_BYTES: u64 = 4 << 30;
/// How long one image may take.
const HANG_TIMEOUT: Duration = Duration::from_secs(120);

/// Returns a counter, and aborts the process if it does not change for too long. An endless loop
/// cannot be stopped otherwise.
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

/// Limits the address space: an allocation beyond it aborts the test.
fn limit_memory() {
    let limit = rustix::process::Rlimit {
        current: Some(MAX_MEMORY_BYTES),
        maximum: Some(MAX_MEMORY_BYTES),
    };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).expect("a limit");
}
