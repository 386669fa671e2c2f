//! Models of the bounded queue that its verdicts must stand up to: what one thread is told one
//! after another has to fit one order. Run with `RUSTFLAGS="--cfg loom" cargo test -p ungil-sync
//! --release --test queue_model`.

#![cfg(loom)]
#![allow(unsafe_code)]

use loom::sync::Arc;
use loom::thread;
use ungil_sync::owned::{Counted, Owned};
use ungil_sync::queue::{Fifo, TryPushError};

/// Words that stand for themselves.
struct Number;

// SAFETY: there are no counts.
unsafe impl Counted for Number {
    unsafe fn try_retain(_: u64) -> bool {
        true
    }
    unsafe fn release(_: u64) {}
}

fn number(n: u64) -> Owned<Number> {
    // SAFETY: there are no counts, and the word is no mark.
    unsafe { Owned::from_raw(n) }
}

/// One puts; another is told that the queue is full, so the item is in, and then finds it, since
/// nobody else takes.
#[test]
fn what_makes_it_full_can_be_taken() {
    loom::model(|| {
        let queue = Arc::new(Fifo::<Number>::new(Some(1)));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(number(4)))
        };
        if matches!(queue.put(number(8)), Err(TryPushError::Full(_))) {
            assert_eq!(queue.take(), Ok(number(4)), "full, then empty, and nobody took anything");
        }
        let _ = putter.join().expect("it returns");
    });
}
