//! Slots shared by many threads that hold objects counted as the interpreter counts its own: an
//! object dies with its last count, its memory is reused, and a reader of a stale word may try to
//! retain it but must not get a count of a dead object. Each object has a payload, the index of the
//! slot it was made for. It is written without synchronization before publication and read after a
//! load, so stale reads fail the test and ThreadSanitizer sees whether publication and load are
//! ordered. The counts use the weakest possible ordering, so the slot must provide it.

#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use ungil_sync::owned::{Counted, Owned};
use ungil_sync::slot::Slot;

const OBJECTS: usize = 64;
const STEPS: u64 = if cfg!(debug_assertions) { 20_000 } else { 200_000 };

/// Memory of an object. The count is 0 while it is free.
struct Object {
    count: AtomicI64,
    payload: UnsafeCell<u64>,
}

// SAFETY: the payload is written by the thread that allocated the object, before any other thread
// has a count of it.
unsafe impl Sync for Object {}

static OBJECT: [Object; OBJECTS] =
    [const { Object { count: AtomicI64::new(0), payload: UnsafeCell::new(0) } }; OBJECTS];
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Serializes the tests that use the objects.
static ALONE: Mutex<()> = Mutex::new(());

fn free() -> MutexGuard<'static, Vec<usize>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A word is the object's index plus 1, shifted left by two.
fn object(word: u64) -> &'static Object {
    &OBJECT[index(word)]
}

fn index(word: u64) -> usize {
    (word >> 2) as usize - 1
}

/// Allocates an object for that slot. Returns `None` if all are in use.
fn make(slot: usize) -> Option<Owned<Fake>> {
    let index = free().pop()?;
    // SAFETY: no thread has a count of it.
    unsafe { *OBJECT[index].payload.get() = slot as u64 };
    OBJECT[index].count.store(1, Ordering::Relaxed);
    // SAFETY: the count stored above.
    Some(unsafe { Owned::from_raw((index as u64 + 1) << 2) })
}

struct Fake;

// SAFETY: a count is raised only if it is above 0.
unsafe impl Counted for Fake {
    unsafe fn try_retain(word: u64) -> bool {
        let count = &object(word).count;
        let mut now = count.load(Ordering::Relaxed);
        while now > 0 {
            match count.compare_exchange_weak(now, now + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    unsafe fn release(word: u64) {
        let before = object(word).count.fetch_sub(1, Ordering::AcqRel);
        assert!(before > 0, "released more often than retained");
        if before == 1 {
            free().push(index(word));
        }
    }
}

/// Checks the payload of an object that the caller has a count of.
fn check(object_of: &Owned<Fake>, slot: usize) {
    // SAFETY: the object is alive, so no thread writes it.
    let payload = unsafe { *object(object_of.as_raw()).payload.get() };
    assert_eq!(payload, slot as u64, "an object that was never in this slot");
}

/// A xorshift generator: a thread's actions depend only on its seed.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn churn(slots: &[Slot<Fake>], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..STEPS {
        let number = next(&mut state) as usize % slots.len();
        let slot = &slots[number];
        match next(&mut state) % 4 {
            0 | 1 => {
                if let Some(seen) = slot.load() {
                    check(&seen, number);
                }
            }
            2 => drop(match make(number) {
                Some(new) => slot.swap(new),
                None => slot.take(),
            }),
            _ => {
                let seen = slot.load();
                if let Some(new) = make(number) {
                    drop(slot.compare_exchange(seen.as_ref(), new));
                }
            }
        }
    }
}

#[test]
fn a_slot_never_returns_a_dead_object() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    *free() = (0..OBJECTS).collect();
    let slots: Vec<Slot<Fake>> = (0..3).map(|slot| Slot::new(make(slot))).collect();
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            let slots = &slots;
            scope.spawn(move || churn(slots, seed));
        }
    });
    let held = slots.iter().filter(|slot| !slot.is_empty()).count();
    assert_eq!(free().len(), OBJECTS - held, "a count was lost");
    drop(slots);
    assert_eq!(free().len(), OBJECTS);
    assert!(OBJECT.iter().all(|object| object.count.load(Ordering::Relaxed) == 0));
}
