//! Per-thread hint: the queue whose last optimistic `fetch_add` succeeded. A stale hint wastes one
//! ticket. It is kept per thread because a field of the queue would be a contended cache line.

pub(super) use hint::*;

#[cfg(not(loom))]
mod hint {
    use std::cell::Cell;

    thread_local! {
    /// Address of the queue, or 0.
            static PUTS: Cell<usize> = const { Cell::new(0) };
            static TAKES: Cell<usize> = const { Cell::new(0) };
        }

    #[inline]
    pub(in crate::queue) fn puts_succeed(queue: usize) -> bool {
        PUTS.get() == queue
    }
    pub(in crate::queue) fn put_succeeded(queue: usize) {
        PUTS.set(queue);
    }
    pub(in crate::queue) fn put_failed() {
        PUTS.set(0);
    }
    #[inline]
    pub(in crate::queue) fn takes_succeed(queue: usize) -> bool {
        TAKES.get() == queue
    }
    pub(in crate::queue) fn take_succeeded(queue: usize) {
        TAKES.set(queue);
    }
    pub(in crate::queue) fn take_failed() {
        TAKES.set(0);
    }
}

// In models, every first attempt is optimistic.
#[cfg(loom)]
mod hint {
    pub(in crate::queue) fn puts_succeed(_: usize) -> bool {
        true
    }
    pub(in crate::queue) fn put_succeeded(_: usize) {}
    pub(in crate::queue) fn put_failed() {}
    pub(in crate::queue) fn takes_succeed(_: usize) -> bool {
        true
    }
    pub(in crate::queue) fn take_succeeded(_: usize) {}
    pub(in crate::queue) fn take_failed() {}
}
