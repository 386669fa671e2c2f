//! Runs every reader of the crate once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use ungil_remote::memory::Memory;
use ungil_remote::snapshot::{SnapshotOptions, take_snapshot};
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{Process, Python, heap, sample};

/// Reads everything from `pid` through `wrap`. Errors are allowed, panics are not.
pub(crate) fn everything(
    pid: u32,
    wrap: impl Fn(Box<dyn Memory>) -> Box<dyn Memory>,
    spent: &Arc<super::lies::ReadStats>,
) {
    let attach = || Python::within(Process::open(pid).expect("the process").read_through(&wrap));
    let Ok(mut python) = attach() else { return };
    // Each part has a read budget of its own.
    let reset_budget = || spent.reads.store(0, Ordering::Relaxed);
    let mut observer = ThreadObserver::default();
    for _ in 0..2 {
        reset_budget();
        let _ = take_snapshot(
            &mut python,
            &mut observer,
            SnapshotOptions { source: true, tasks: true, native: None },
        );
    }
    reset_budget();
    if let Ok(interpreters) = python.interpreters() {
        for _ in 0..2 {
            let _ = observer.states(&python, &interpreters);
        }
        for &interpreter in &interpreters {
            let _ = (
                python.collector(interpreter),
                python.stop_the_world(interpreter),
                python.gil(interpreter),
            );
        }
    }
    reset_budget();
    let _ = heap::survey(&python, Duration::from_secs(1), &mut |_| true);
    reset_budget();
    if let Ok(mut looker) = sample::Sampler::new(python) {
        for thorough in [true, false, true] {
            let _ = looker.look(thorough);
            for slot in looker.threads() {
                for frame in slot.frames() {
                    let _ = looker.resolve(frame);
                }
            }
        }
    }
}
