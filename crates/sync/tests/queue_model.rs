//! Loom models of the bounded queue: the results that one thread gets one after another must be
//! consistent with one order. Run with `RUSTFLAGS="--cfg loom" cargo test -p ungil-sync --release
//! --test queue_model`.

#![cfg(loom)]
#![allow(unsafe_code)]

use loom::sync::Arc;
use loom::thread;
use ungil_sync::owned::{Counted, Owned};
use ungil_sync::queue::{Fifo, TryPushError};

/// Immediate values.
struct TestWord;

// SAFETY: nothing is counted.
unsafe impl Counted for TestWord {
    unsafe fn try_retain(_: u64) -> bool {
        true
    }
    unsafe fn release(_: u64) {}
}

fn number(n: u64) -> Owned<TestWord> {
    // SAFETY: nothing is counted, and the word is not a mark.
    unsafe { Owned::from_raw(n) }
}

/// One thread puts an item. If another then finds the queue full, it must be able to take that
/// item, because no other thread takes.
#[test]
fn an_item_that_fills_the_queue_can_be_taken() {
    loom::model(|| {
        let queue = Arc::new(Fifo::<TestWord>::new(Some(1)));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(number(4)))
        };
        if matches!(queue.put(number(8)), Err(TryPushError::Full(_))) {
            assert_eq!(queue.take(), Ok(number(4)), "full, then empty, although nothing was taken");
        }
        let _ = putter.join().expect("it returns");
    });
}
