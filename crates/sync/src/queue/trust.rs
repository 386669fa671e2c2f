//! On which queue this thread's last draws went well, so that the next may be blind. Per thread,
//! not per queue, because a queue that asked its own lines would meet the other threads there. A
//! wrong answer costs a ticket, no more.

pub(super) use memory::*;

#[cfg(not(loom))]
mod memory {
    use std::cell::Cell;

    thread_local! {
        static PUTS: Cell<usize> = const { Cell::new(0) };
        static TAKES: Cell<usize> = const { Cell::new(0) };
    }

    #[inline]
    pub(in crate::queue) fn puts(queue: usize) -> bool {
        PUTS.get() == queue
    }
    pub(in crate::queue) fn more_puts(queue: usize) {
        PUTS.set(queue);
    }
    pub(in crate::queue) fn no_more_puts() {
        PUTS.set(0);
    }
    #[inline]
    pub(in crate::queue) fn takes(queue: usize) -> bool {
        TAKES.get() == queue
    }
    pub(in crate::queue) fn more_takes(queue: usize) {
        TAKES.set(queue);
    }
    pub(in crate::queue) fn no_more_takes() {
        TAKES.set(0);
    }
}

// In a model, trust is blind until it fails.
#[cfg(loom)]
mod memory {
    pub(in crate::queue) fn puts(_: usize) -> bool {
        true
    }
    pub(in crate::queue) fn more_puts(_: usize) {}
    pub(in crate::queue) fn no_more_puts() {}
    pub(in crate::queue) fn takes(_: usize) -> bool {
        true
    }
    pub(in crate::queue) fn more_takes(_: usize) {}
    pub(in crate::queue) fn no_more_takes() {}
}
