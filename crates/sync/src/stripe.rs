//! Assigns threads to stripes. Threads get consecutive numbers when they first ask, so the first N
//! threads of a program use N different cache lines, whatever their ids hash to.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Returns the calling thread's number, counted from 0. It never changes.
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

/// Returns the number of stripes a structure should have: the number of processors rounded up to a
/// power of two, at least 4 and at most 256.
pub fn stripe_count() -> usize {
    // Cached: `available_parallelism` reads files, which takes longer than making any structure
    // here.
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(4, usize::from);
        processors.next_power_of_two().clamp(4, 256)
    })
}
