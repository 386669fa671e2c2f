//! With real threads and real sleep; and what a reader from outside relies on.

use super::*;
use std::time::{Duration, Instant};

fn sleep_until(deadline: Option<Instant>) -> impl Fn(&Parker) -> Result<bool, ()> {
    use crate::park::Woken;
    move |parker| loop {
        match parker.park(deadline) {
            Woken::Notified => return Ok(true),
            Woken::TimedOut => return Ok(false),
            Woken::Interrupted => {}
        }
    }
}

fn patient(parker: &Parker) -> Result<bool, ()> {
    sleep_until(None)(parker)
}

#[test]
#[allow(unsafe_code)]
fn the_layout_is_as_documented() {
    let lock = Lock::new(false);
    let me = Me::here();
    assert!(lock.try_acquire(me));
    lock.depth().store(7, Ordering::Relaxed);
    let base = std::ptr::from_ref(&lock).cast::<u8>();
    // SAFETY: these bytes are the lock's.
    let word = |offset| unsafe { base.add(offset).cast::<u32>().read() };
    assert_eq!(word(0).to_le_bytes(), *b"ungL");
    assert_eq!(word(4) & 1, 1);
    #[cfg(target_os = "linux")]
    assert_eq!(word(8), rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned());
    assert_eq!(word(12), me.number());
    assert_eq!(u64::from(word(16)) | u64::from(word(20)) << 32, lock.holder().expect("held"));
    assert_eq!(word(24), 7);
}

fn count(threads: u32, rounds: u64, work: impl Fn(Me, &mut u64) + Sync) -> u64 {
    struct Shared(std::cell::UnsafeCell<u64>);
    #[allow(unsafe_code)]
    // SAFETY: the lock under test is what keeps the threads apart.
    unsafe impl Sync for Shared {}
    let (shared, work) = (&Shared(0.into()), &work);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || {
                for _ in 0..rounds {
                    #[allow(unsafe_code)]
                    // SAFETY: only used between taking the lock and giving it back.
                    work(Me::here(), unsafe { &mut *shared.0.get() });
                }
            });
        }
    });
    #[allow(unsafe_code)]
    // SAFETY: the threads are gone.
    unsafe {
        *shared.0.get()
    }
}

#[test]
fn a_lock_excludes() {
    for fair in [false, true] {
        let lock = Lock::new(fair);
        let total = count(4, 2000, |me, n| {
            assert_eq!(lock.acquire(me, patient), Ok(Outcome::Acquired));
            *n += 1;
            assert!(lock.release());
        });
        assert_eq!(total, 8000);
        assert!(!lock.is_held() && lock.waiters() == 0);
    }
}

#[test]
fn deadlines_pass_and_nothing_is_lost() {
    let lock = Lock::new(false);
    let semaphore = Semaphore::new(1, None);
    let soon = || sleep_until(Some(Instant::now() + Duration::from_micros(50)));
    count(6, 300, |me, n| {
        if lock.acquire(me, soon()) == Ok(Outcome::Acquired) {
            *n += 1;
            assert!(lock.release());
        }
        if semaphore.acquire(me, 1, soon()) == Ok(true) {
            assert!(semaphore.release(1));
        }
    });
    assert!(lock.try_acquire(Me::here()) && lock.waiters() == 0);
    assert_eq!(semaphore.permits(), 1);
}

#[test]
fn a_writer_is_alone() {
    let rw = Rw::with_stripes(4, false);
    let total = count(4, 1000, |me, n| {
        if me.number() % 2 == 0 {
            assert_eq!(rw.read(me, patient), Ok(true));
            assert!(std::hint::black_box(*n) <= 4000);
            rw.leave(me);
        }
        assert_eq!(rw.write(me, patient), Ok(Outcome::Acquired));
        *n += 1;
        rw.end_write();
    });
    assert_eq!(total, 4000);
    assert_eq!(rw.sum(), 0);
}

#[test]
fn a_stamp_knows_whether_a_writer_came_by() {
    let lock = Stamped::default();
    let me = Me::here();
    let look = lock.try_optimistic_read();
    assert!(lock.validate(look));
    let write = lock.try_write(me);
    assert!(write != 0 && !lock.validate(look) && lock.try_optimistic_read() == 0);
    assert!(lock.unlock(me, write) && !lock.unlock(me, write));
    assert!(!lock.validate(look) && lock.validate(lock.try_optimistic_read()));
}

#[test]
fn a_semaphore_is_never_over_its_bound() {
    let semaphore = Semaphore::new(2, Some(3));
    assert!(semaphore.release(1) && !semaphore.release(1) && !semaphore.release(u64::MAX));
    assert_eq!(semaphore.permits(), 3);
    assert!(!Semaphore::new(Semaphore::MAX, None).release(1));
}
