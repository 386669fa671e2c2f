//! Loom models of two or three threads: mutual exclusion holds, no thread sleeps forever, and
//! giving up loses no wake-up.

use super::*;
use crate::primitive::thread;
use loom::cell::UnsafeCell;
use std::convert::Infallible;

type Never = Infallible;

/// Sleeps without a deadline.
fn patient(parker: &Parker) -> Result<bool, Never> {
    parker.park(None);
    Ok(true)
}

/// Gives up at once unless the parker is raised already.
fn hasty(parker: &Parker) -> Result<bool, Never> {
    Ok(parker.is_raised())
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Data guarded by a lock. Loom fails if two threads access it at once.
#[derive(Default)]
struct Guarded(UnsafeCell<u32>);

#[allow(unsafe_code)]
// SAFETY: sound only if the lock under test excludes other threads, which loom checks.
unsafe impl Sync for Guarded {}

#[allow(unsafe_code)]
impl Guarded {
    fn change(&self) {
        // SAFETY: the lock under test is held.
        self.0.with_mut(|n| unsafe { *n += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|n| unsafe { *n })
    }
}

fn take(lock: &Lock, thread: u32, hurry: bool) -> bool {
    let thread = ThreadId::from_number(thread);
    let outcome = if hurry { lock.acquire(thread, hasty) } else { lock.acquire(thread, patient) };
    matches!(outcome, Ok(AcquireOutcome::Acquired))
}

fn exclusion(fair: bool, hurry: [bool; 3], preemptions: usize) {
    explore(preemptions, move || {
        let shared = Arc::new((Lock::new(fair), Guarded::default()));
        let work = |number: u32, hurry: bool| {
            let shared = shared.clone();
            move || {
                let got = take(&shared.0, number, hurry);
                if got {
                    shared.1.change();
                    assert!(shared.0.release());
                }
                u32::from(got)
            }
        };
        let others = [thread::spawn(work(2, hurry[1])), thread::spawn(work(3, hurry[2]))];
        let mut got = work(1, hurry[0])();
        for other in others {
            got += other.join().expect("no panic");
        }
        assert!(take(&shared.0, 1, true));
        assert_eq!(shared.1.read(), got);
        assert_eq!(shared.0.waiters(), 0);
    });
}

#[test]
fn an_unfair_lock_excludes_and_wakes_every_waiter() {
    exclusion(false, [false; 3], 2);
}

#[test]
fn a_fair_lock_excludes_and_wakes_every_waiter() {
    exclusion(true, [false; 3], 2);
}

#[test]
fn a_waiter_that_gives_up_loses_no_wake_up() {
    exclusion(false, [false, true, false], 2);
    exclusion(true, [false, true, false], 2);
}

#[test]
fn two_threads_take_a_lock_twice_each() {
    explore(3, || {
        let shared = Arc::new((Lock::new(false), Guarded::default()));
        let other = shared.clone();
        let twice = |shared: &(Lock, Guarded), thread| {
            for _ in 0..2 {
                assert!(take(&shared.0, thread, false));
                shared.1.change();
                shared.0.release();
            }
        };
        let thread = thread::spawn(move || twice(&other, 2));
        twice(&shared, 1);
        thread.join().expect("no panic");
        assert!(take(&shared.0, 1, true));
        assert_eq!(shared.1.read(), 4);
    });
}

#[test]
fn readers_and_a_writer_exclude_each_other() {
    explore(2, || {
        let shared = Arc::new((RwLock::with_stripes(2, false), Guarded::default()));
        let read = |number| {
            let shared = shared.clone();
            move || {
                let thread = ThreadId::from_number(number);
                assert!(matches!(shared.0.lock_shared(thread, patient), Ok(true)));
                let seen = shared.1.read();
                shared.0.unlock_shared(thread);
                seen
            }
        };
        let readers = [thread::spawn(read(2)), thread::spawn(read(3))];
        assert!(matches!(
            shared.0.lock_exclusive(ThreadId::from_number(1), patient),
            Ok(AcquireOutcome::Acquired)
        ));
        shared.1.change();
        shared.0.unlock_exclusive();
        for reader in readers {
            assert!(reader.join().expect("no panic") <= 1);
        }
        assert!(shared.0.try_lock_exclusive(ThreadId::from_number(1)));
    });
}

#[test]
fn two_writers_and_a_reader_that_gives_up() {
    explore(2, || {
        let shared = Arc::new((RwLock::with_stripes(2, false), Guarded::default()));
        let write = |shared: &(RwLock, Guarded), number, hurry: bool| {
            let thread = ThreadId::from_number(number);
            let outcome = if hurry {
                shared.0.lock_exclusive(thread, hasty)
            } else {
                shared.0.lock_exclusive(thread, patient)
            };
            if matches!(outcome, Ok(AcquireOutcome::Acquired)) {
                shared.1.change();
                shared.0.unlock_exclusive();
            }
        };
        let other = shared.clone();
        let writer = thread::spawn(move || write(&other, 2, true));
        let other = shared.clone();
        let reader = thread::spawn(move || {
            let thread = ThreadId::from_number(3);
            if matches!(other.0.lock_shared(thread, hasty), Ok(true)) {
                other.1.read();
                other.0.unlock_shared(thread);
            }
        });
        write(&shared, 1, false);
        writer.join().expect("no panic");
        reader.join().expect("no panic");
        assert!(shared.0.try_lock_exclusive(ThreadId::from_number(1)));
    });
}

#[test]
fn a_semaphore_loses_no_permit() {
    explore(2, || {
        let shared = Arc::new((Semaphore::new(1, None), Guarded::default()));
        let work = |number, hurry: bool| {
            let shared = shared.clone();
            move || {
                let thread = ThreadId::from_number(number);
                let got = if hurry {
                    shared.0.acquire(thread, 1, hasty)
                } else {
                    shared.0.acquire(thread, 1, patient)
                };
                if matches!(got, Ok(true)) {
                    shared.1.change();
                    assert!(shared.0.release(1));
                }
            }
        };
        let others = [thread::spawn(work(2, true)), thread::spawn(work(3, false))];
        work(1, false)();
        others.into_iter().for_each(|other| other.join().expect("no panic"));
        assert_eq!(shared.0.permits(), 1);
        assert!(shared.0.try_acquire(1));
    });
}

#[test]
fn a_large_request_that_gives_up_unblocks_a_small_one() {
    explore(3, || {
        let semaphore = Arc::new(Semaphore::new(1, None));
        let other = semaphore.clone();
        let greedy = thread::spawn(move || other.acquire(ThreadId::from_number(2), 2, hasty));
        assert!(matches!(semaphore.acquire(ThreadId::from_number(1), 1, patient), Ok(true)));
        assert!(matches!(greedy.join().expect("no panic"), Ok(false)));
    });
}

#[test]
fn a_latch_wakes_its_waiter() {
    explore(3, || {
        let latch = Arc::new(Latch::new(2));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let latch = latch.clone();
                thread::spawn(move || latch.count_down(1))
            })
            .collect();
        assert!(matches!(latch.wait(patient), Ok(true)));
        others.into_iter().for_each(|other| drop(other.join()));
    });
}

#[test]
fn a_phase_begins_when_all_have_arrived() {
    explore(2, || {
        let phaser = Arc::new(Phaser::new(2).expect("few parties"));
        let cross = |phaser: &Phaser| {
            for round in 0..2 {
                match phaser.arrive(false, patient) {
                    Ok(Ok(PhaserArrival::Last { phase, .. })) => {
                        assert_eq!(phase, round);
                        phaser.advance(false);
                    }
                    Ok(Ok(PhaserArrival::Early(phase))) => {
                        assert_eq!(phase, round);
                        assert!(matches!(phaser.wait(phase, patient), Ok(Some(_))));
                    }
                    Ok(Err(error)) => panic!("{error:?}"),
                }
            }
        };
        let other = phaser.clone();
        let thread = thread::spawn(move || cross(&other));
        cross(&phaser);
        thread.join().expect("no panic");
        assert_eq!(phaser.phase(), 2);
    });
}

#[test]
fn a_phase_waits_for_parties_that_joined_it() {
    explore(2, || {
        let phaser = Arc::new(Phaser::new(0).expect("few parties"));
        let visit = |phaser: &Phaser| {
            let Ok(Ok(joined)) = phaser.register(1, patient) else {
                panic!("fewer than the limit")
            };
            match phaser.arrive(true, patient) {
                Ok(Ok(PhaserArrival::Last { phase, .. })) => {
                    assert_eq!(phase, joined);
                    phaser.advance(false);
                }
                Ok(Ok(PhaserArrival::Early(phase))) => assert_eq!(phase, joined),
                Ok(Err(error)) => panic!("{error:?}"),
            }
        };
        let other = phaser.clone();
        let thread = thread::spawn(move || visit(&other));
        visit(&phaser);
        thread.join().expect("no panic");
        assert_eq!(phaser.parties(), 0);
    });
}

#[test]
fn all_cross_a_barrier_or_none() {
    explore(2, || {
        let barrier = Arc::new(Barrier::new(2));
        let cross = |barrier: &Barrier, thread, hurry: bool| match barrier
            .arrive(ThreadId::from_number(thread), patient)
        {
            Ok(Ok(Some(BarrierArrival::Last(turn)))) => barrier.open(turn).is_ok(),
            Ok(Ok(Some(BarrierArrival::Early(place)))) => {
                let passed = if hurry {
                    barrier.wait(&place, hasty, patient)
                } else {
                    barrier.wait(&place, patient, patient)
                };
                matches!(passed, Ok(Ok(())))
            }
            _ => false,
        };
        let other = barrier.clone();
        let thread = thread::spawn(move || cross(&other, 2, true));
        let mine = cross(&barrier, 1, false);
        assert_eq!(thread.join().expect("no panic"), mine);
        assert_eq!(barrier.is_broken(), !mine);
    });
}
