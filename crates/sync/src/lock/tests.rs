//! Tests with real threads and real sleeping, and of the layout that external readers rely on.

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
    let thread = ThreadId::current();
    assert!(lock.try_acquire(thread));
    lock.depth().store(7, Ordering::Relaxed);
    let base = std::ptr::from_ref(&lock).cast::<u8>();
    // SAFETY: within the lock.
    let word = |offset| unsafe { base.add(offset).cast::<u32>().read() };
    assert_eq!(word(0).to_le_bytes(), *b"ungL");
    assert_eq!(word(4) & 1, 1);
    #[cfg(target_os = "linux")]
    assert_eq!(word(8), rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned());
    assert_eq!(word(12), thread.number());
    assert_eq!(u64::from(word(16)) | u64::from(word(20)) << 32, lock.holder().expect("held"));
    assert_eq!(word(24), 7);
}

fn count(threads: u32, rounds: u64, work: impl Fn(ThreadId, &mut u64) + Sync) -> u64 {
    struct Shared(std::cell::UnsafeCell<u64>);
    #[allow(unsafe_code)]
    // SAFETY: the lock under test serializes the threads.
    unsafe impl Sync for Shared {}
    let (shared, work) = (&Shared(0.into()), &work);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || {
                for _ in 0..rounds {
                    #[allow(unsafe_code)]
                    // SAFETY: used only while the lock under test is held.
                    work(ThreadId::current(), unsafe { &mut *shared.0.get() });
                }
            });
        }
    });
    #[allow(unsafe_code)]
    // SAFETY: the threads have ended.
    unsafe {
        *shared.0.get()
    }
}

#[test]
fn a_lock_excludes_other_threads() {
    for fair in [false, true] {
        let lock = Lock::new(fair);
        let total = count(4, 2000, |thread, n| {
            assert_eq!(lock.acquire(thread, patient), Ok(AcquireOutcome::Acquired));
            *n += 1;
            assert!(lock.release());
        });
        assert_eq!(total, 8000);
        assert!(!lock.is_held() && lock.waiters() == 0);
    }
}

#[test]
fn timeouts_lose_no_wake_up() {
    let lock = Lock::new(false);
    let semaphore = Semaphore::new(1, None);
    let soon = || sleep_until(Some(Instant::now() + Duration::from_micros(50)));
    count(6, 300, |thread, n| {
        if lock.acquire(thread, soon()) == Ok(AcquireOutcome::Acquired) {
            *n += 1;
            assert!(lock.release());
        }
        if semaphore.acquire(thread, 1, soon()) == Ok(true) {
            assert!(semaphore.release(1));
        }
    });
    assert!(lock.try_acquire(ThreadId::current()) && lock.waiters() == 0);
    assert_eq!(semaphore.permits(), 1);
}

#[test]
fn a_writer_excludes_readers_and_writers() {
    let rw = RwLock::with_stripes(4, false);
    let total = count(4, 1000, |thread, n| {
        if thread.number() % 2 == 0 {
            assert_eq!(rw.lock_shared(thread, patient), Ok(true));
            assert!(std::hint::black_box(*n) <= 4000);
            rw.unlock_shared(thread);
        }
        assert_eq!(rw.lock_exclusive(thread, patient), Ok(AcquireOutcome::Acquired));
        *n += 1;
        rw.unlock_exclusive();
    });
    assert_eq!(total, 4000);
    assert_eq!(rw.reader_count(), 0);
}

#[test]
fn a_writer_invalidates_optimistic_stamps() {
    let lock = StampedLock::default();
    let thread = ThreadId::current();
    let optimistic = lock.try_optimistic_read();
    assert!(lock.validate(optimistic));
    let write = lock.try_lock_exclusive(thread);
    assert!(write != 0 && !lock.validate(optimistic) && lock.try_optimistic_read() == 0);
    assert!(lock.unlock(thread, write) && !lock.unlock(thread, write));
    assert!(!lock.validate(optimistic) && lock.validate(lock.try_optimistic_read()));
}

#[test]
fn a_semaphore_never_exceeds_its_bound() {
    let semaphore = Semaphore::new(2, Some(3));
    assert!(semaphore.release(1) && !semaphore.release(1) && !semaphore.release(u64::MAX));
    assert_eq!(semaphore.permits(), 3);
    assert!(!Semaphore::new(Semaphore::MAX, None).release(1));
}
