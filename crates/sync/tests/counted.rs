//! Slots from many threads, holding objects that are counted as the interpreter counts its own: an
//! object whose last count goes is dead, a dead one's place is used again, and whoever reads a
//! stale word may ask about it but must get no count of the dead. Each object has a payload, the
//! slot it is made for, written without synchronisation before it is published and read after it
//! was loaded: a stale read shows, and ThreadSanitizer sees whether publishing and loading are
//! ordered. The counts order as little as they may, so that it is the slot that must.

#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use ungil_sync::owned::{Counted, Owned};
use ungil_sync::slot::Slot;

const OBJECTS: usize = 64;
const STEPS: u64 = if cfg!(debug_assertions) { 20_000 } else { 200_000 };

/// A place for an object. Its count is 0 while nobody has it.
struct Object {
    count: AtomicI64,
    payload: UnsafeCell<u64>,
}

// SAFETY: the payload is written by the one who took the place, before anybody else has a count of
// it.
unsafe impl Sync for Object {}

static OBJECT: [Object; OBJECTS] =
    [const { Object { count: AtomicI64::new(0), payload: UnsafeCell::new(0) } }; OBJECTS];
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// One test at a time has the objects.
static ALONE: Mutex<()> = Mutex::new(());

fn free() -> MutexGuard<'static, Vec<usize>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Words are the object's number, counted from 1, above the two low bits.
fn object(word: u64) -> &'static Object {
    &OBJECT[place(word)]
}

fn place(word: u64) -> usize {
    (word >> 2) as usize - 1
}

/// A new object for that slot, or nothing if there is no place.
fn make(slot: usize) -> Option<Owned<Fake>> {
    let place = free().pop()?;
    // SAFETY: nobody has a count of it.
    unsafe { *OBJECT[place].payload.get() = slot as u64 };
    OBJECT[place].count.store(1, Ordering::Relaxed);
    // SAFETY: that is the count.
    Some(unsafe { Owned::from_raw((place as u64 + 1) << 2) })
}

struct Fake;

// SAFETY: a count is raised only where there is one.
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
        assert!(before > 0, "released once too often");
        if before == 1 {
            free().push(place(word));
        }
    }
}

/// Looks into an object that the caller has a count of.
fn look(object_of: &Owned<Fake>, slot: usize) {
    // SAFETY: alive, so nobody writes it.
    let payload = unsafe { *object(object_of.as_raw()).payload.get() };
    assert_eq!(payload, slot as u64, "an object that was never in this slot");
}

/// A small generator: what a thread does is fixed by its seed.
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
                    look(&seen, number);
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
fn a_slot_gives_counts_of_the_living_only() {
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
