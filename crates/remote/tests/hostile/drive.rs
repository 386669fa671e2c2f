//! Everything this room reads from a process, once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use ungil_remote::memory::Memory;
use ungil_remote::snapshot::{Options, take};
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{Process, Python, heap, sample};

/// Reads all there is of `pid` through `wrap`. Errors are no fault; a panic is.
pub(crate) fn everything(
    pid: u32,
    wrap: impl Fn(Box<dyn Memory>) -> Box<dyn Memory>,
    spent: &Arc<super::lies::Spent>,
) {
    let attach = || Python::within(Process::open(pid).expect("the process").read_through(&wrap));
    let Ok(mut python) = attach() else { return };
    // Each part has its own allowance of reads.
    let part = || spent.reads.store(0, Ordering::Relaxed);
    let mut observer = ThreadObserver::default();
    for _ in 0..2 {
        part();
        let _ =
            take(&mut python, &mut observer, Options { source: true, tasks: true, native: None });
    }
    part();
    if let Ok(interpreters) = python.interpreters() {
        for _ in 0..2 {
            let _ = observer.states(&python, &interpreters);
        }
        for &interpreter in &interpreters {
            let _ =
                (python.collector(interpreter), python.world(interpreter), python.gil(interpreter));
        }
    }
    part();
    let _ = heap::survey(&python, Duration::from_secs(1), &mut |_| true);
    part();
    if let Ok(mut looker) = sample::Looker::new(python) {
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
