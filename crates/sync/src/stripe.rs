//! Which stripe a thread works on: threads are numbered as they first come, so that the first N
//! threads of a program meet N different cache lines, whatever their ids hash to.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// This thread's number, from 0, the same for its whole life.
#[inline]
pub fn thread_number() -> usize {
    MINE.with(|mine| match mine.get() {
        usize::MAX => {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            mine.set(number);
            number
        }
        number => number,
    })
}

/// How many stripes a structure should have: the next power of two that gives each processor one,
/// at least 4, at most 256.
pub fn stripes() -> usize {
    // Asked once: the system answers from files, which takes longer than to make anything here.
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(4, usize::from);
        processors.next_power_of_two().clamp(4, 256)
    })
}
