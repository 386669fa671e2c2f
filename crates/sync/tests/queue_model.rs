//! Models of the bounded queue that its verdicts must stand up to: what one thread is told one after another has to fit one order.
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p ungil-sync --release --test queue_model`.

#![cfg(loom)]
#![allow(unsafe_code)]

use loom::sync::Arc;
use loom::thread;
use ungil_sync::queue::{Fifo, Refused};
use ungil_sync::slot::Counted;

/// Words that stand for themselves.
struct Number;

// SAFETY: there are no counts.
unsafe impl Counted for Number {
    unsafe fn try_retain(_: u64) -> bool {
        true
    }
    unsafe fn release(_: u64) {}
}

/// One puts; another is told that the queue is full, so the item is in, and then finds it, since nobody else takes.
#[test]
fn what_makes_it_full_can_be_taken() {
    loom::model(|| {
        let queue = Arc::new(Fifo::<Number>::new(Some(1)));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(4))
        };
        if queue.put(8) == Err(Refused::NotNow) {
            assert_eq!(queue.take(), Ok(4), "full, then empty, and nobody took anything");
        }
        let _ = putter.join().expect("it returns");
    });
}
