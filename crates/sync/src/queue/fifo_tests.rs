//! Tests of [`super::Fifo`] with real threads, and loom models of a few threads.

#![allow(unsafe_code)]

use super::*;
use std::sync::atomic::AtomicI64;

/// Immediate values, with a counter of all releases.
struct CountedReleases;

static RELEASED: AtomicI64 = AtomicI64::new(0);

// SAFETY: these words are not counted.
unsafe impl Counted for CountedReleases {
    unsafe fn try_retain(_: u64) -> bool {
        true
    }
    unsafe fn release(_: u64) {
        RELEASED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Returns the `n`-th word.
fn word(n: u64) -> u64 {
    (n + 1) << 2
}

/// Returns the `n`-th word as an owned word.
fn own(n: u64) -> Owned<CountedReleases> {
    // SAFETY: these words are not counted and are not marks.
    unsafe { Owned::from_raw(word(n)) }
}

/// Takes an item and returns its word.
fn take(queue: &Fifo<CountedReleases>) -> Result<u64, TryPopError> {
    queue.take().map(Owned::into_raw)
}

/// Returns every word in a queue that no other thread uses.
fn all(queue: &Fifo<CountedReleases>) -> Vec<u64> {
    let mut seen = Vec::new();
    // SAFETY: no other thread uses the queue.
    unsafe { queue.for_each(|item| seen.push(item.as_raw())) };
    seen
}

#[cfg(not(loom))]
mod with_threads {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::sync::{Arc, Barrier};
    use std::thread;

    proptest! {
        /// Used by one thread, the queue behaves like a deque.
        #[test]
        fn behaves_like_a_deque_for_one_thread(bound in proptest::option::of(1u64..80), steps: Vec<(u8, u8)>) {
            let queue = Fifo::<CountedReleases>::new(bound);
            let mut model = VecDeque::new();
            let full = |model: &VecDeque<u64>| bound.is_some_and(|b| model.len() as u64 >= b);
            let (mut n, mut puts) = (0, 0);
            for (step, many) in steps {
                let many = usize::from(many);
                match step % 6 {
                    0 | 1 => for _ in 0..many {
                        n += 1;
                        let put = queue.put(own(n));
                        prop_assert_eq!(put.is_err(), full(&model));
                        if put.is_ok() {
                            model.push_back(word(n));
                            puts += 1;
                        }
                    },
                    2 => {
                        let mut items = (n..n + many as u64).map(own).collect::<Vec<_>>().into_iter();
                        let put = queue.put_many(&mut items);
                        prop_assert_eq!(items.len(), many - put);
                        let free = bound.map_or(many, |b| b as usize - model.len());
                        prop_assert_eq!(put, many.min(free));
                        model.extend((n..n + put as u64).map(word));
                        n += many as u64;
                        puts += put as u64;
                    }
                    3 | 4 => for _ in 0..many {
                        prop_assert_eq!(take(&queue).ok(), model.pop_front());
                    },
                    _ => {
                        let mut out = Vec::new();
                        let taken = queue.take_many(many, |item| out.push(item.into_raw()));
                        prop_assert_eq!(taken, out.len());
                        prop_assert_eq!(out, model.drain(..many.min(model.len())).collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(queue.len(), model.len() as u64);
                prop_assert_eq!(queue.puts(), puts);
                prop_assert_eq!(all(&queue), model.iter().copied().collect::<Vec<_>>());
            }
            queue.close();
            prop_assert_eq!(queue.put(own(0)), Err(TryPushError::Closed(own(0))));
            while let Some(expected) = model.pop_front() {
                prop_assert_eq!(take(&queue), Ok(expected));
            }
            prop_assert_eq!(take(&queue), Err(TryPopError::Closed));
            prop_assert_eq!(queue.puts(), puts);
        }
    }

    /// Checks that every word comes out once, in order per producer, and that the bound always
    /// holds.
    fn traffic(bound: Option<u64>, producers: u64, consumers: usize, each: u64) {
        let queue = Arc::new(Fifo::<CountedReleases>::new(bound));
        let start = Arc::new(Barrier::new(producers as usize + consumers));
        let putters: Vec<_> = (0..producers)
            .map(|who| {
                let (queue, start) = (queue.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    for n in 0..each {
                        while queue.put(own(who * each + n)).is_err() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let takers: Vec<_> = (0..consumers)
            .map(|_| {
                let (queue, start) = (queue.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    let mut out = Vec::new();
                    loop {
                        assert!(bound.is_none_or(|bound| queue.len() <= bound));
                        match queue.take() {
                            Ok(item) => out.push((item.as_raw() >> 2) - 1),
                            Err(TryPopError::Empty) => thread::yield_now(),
                            Err(TryPopError::Closed) => return out,
                        }
                    }
                })
            })
            .collect();
        for putter in putters {
            putter.join().unwrap();
        }
        queue.close();
        let mut all = Vec::new();
        for taker in takers {
            let out = taker.join().unwrap();
            for who in 0..producers {
                let mine: Vec<_> = out.iter().filter(|&&n| n / each == who).collect();
                assert!(mine.is_sorted(), "reordered");
            }
            all.extend(out);
        }
        all.sort_unstable();
        assert_eq!(all, (0..producers * each).collect::<Vec<_>>());
        assert_eq!(queue.puts(), producers * each);
    }

    #[test]
    fn no_item_is_lost_duplicated_or_reordered() {
        // Miri runs this test too, slowly.
        let each = if cfg!(miri) { 40 } else { 20_000 };
        for bound in [None, Some(1), Some(3), Some(65), Some(300)] {
            traffic(bound, 3, 2, each);
        }
    }

    #[test]
    fn dropping_the_queue_releases_each_remaining_item_once() {
        let queue = Fifo::<CountedReleases>::new(None);
        for n in 0..1000 {
            queue.put(own(n)).unwrap();
        }
        for n in 0..300 {
            assert_eq!(take(&queue), Ok(word(n)));
        }
        let before = RELEASED.load(Ordering::Relaxed);
        drop(queue);
        assert_eq!(RELEASED.load(Ordering::Relaxed) - before, 700);
    }
}

#[cfg(loom)]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(model);
    }

    /// Two producers and a consumer on an unbounded queue, across a segment boundary.
    #[test]
    fn every_item_comes_out_exactly_once() {
        check(|| {
            let queue = Arc::new(Fifo::<CountedReleases>::new(None));
            let putters = [0, 10].map(|who| {
                let queue = queue.clone();
                thread::spawn(move || (0..2).for_each(|n| queue.put(own(who + n)).unwrap()))
            });
            let mut out: Vec<_> = (0..2).filter_map(|_| take(&queue).ok()).collect();
            for putter in putters {
                putter.join().unwrap();
            }
            out.extend(std::iter::from_fn(|| take(&queue).ok()));
            for who in [0, 10] {
                assert!(out.iter().filter(|&&w| w >= word(who) && w < word(who + 5)).is_sorted());
            }
            out.sort_unstable();
            assert_eq!(out, [0, 1, 10, 11].map(word));
        });
    }

    /// A take that follows a finished put finds an item unless another take got it.
    #[test]
    fn never_empty_after_more_puts_than_takes() {
        check(|| {
            let queue = Arc::new(Fifo::<CountedReleases>::new(None));
            let other = {
                let queue = queue.clone();
                thread::spawn(move || {
                    queue.put(own(1)).unwrap();
                    // At least as many puts have finished as takes have begun.
                    queue.take().unwrap();
                })
            };
            queue.put(own(2)).unwrap();
            queue.take().unwrap();
            other.join().unwrap();
            assert_eq!(take(&queue), Err(TryPopError::Empty));
        });
    }

    /// With a bound of 1 and two puts, exactly one is rejected.
    #[test]
    fn the_bound_is_exact() {
        check(|| {
            let queue = Arc::new(Fifo::<CountedReleases>::new(Some(1)));
            let other = {
                let queue = queue.clone();
                thread::spawn(move || queue.put(own(1)).is_ok())
            };
            let mine = queue.put(own(2)).is_ok();
            let other = other.join().unwrap();
            assert!(mine != other, "the bound is 1");
            assert_eq!(queue.len(), 1);
            assert_eq!(queue.puts(), 1);
            queue.take().unwrap();
            // A ticket that the rejected put abandoned does not count towards the bound.
            queue.put(own(3)).unwrap();
            assert_eq!(queue.put(own(4)), Err(TryPushError::Full(own(4))));
        });
    }

    /// The capacity freed by a finished take is available to the next put, even while another put
    /// abandons its ticket.
    #[test]
    fn never_full_below_the_bound() {
        check(|| {
            let queue = Arc::new(Fifo::<CountedReleases>::new(Some(1)));
            queue.put(own(0)).unwrap();
            let other = {
                let queue = queue.clone();
                thread::spawn(move || queue.put(own(1)).is_ok())
            };
            queue.take().unwrap();
            let mine = queue.put(own(2)).is_ok();
            let other = other.join().unwrap();
            assert!(mine || other, "one of the puts must fit");
            assert_eq!(queue.len(), 1);
        });
    }

    /// Items put before a close are taken after it; rejected items are not.
    #[test]
    fn closing_loses_no_item() {
        check(|| {
            let queue = Arc::new(Fifo::<CountedReleases>::new(None));
            let putter = {
                let queue = queue.clone();
                thread::spawn(move || (0..2).take_while(|&n| queue.put(own(n)).is_ok()).count())
            };
            queue.close();
            let mut out = 0;
            while take(&queue) != Err(TryPopError::Closed) {
                out += 1;
            }
            assert_eq!(putter.join().unwrap(), out);
        });
    }
}
