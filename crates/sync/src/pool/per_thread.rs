//! A slot for each thread: found through a number that the thread carries, read without a lock or a
//! shared write.
//!
//! Threads number themselves with the smallest number free, so that the table is as large as the
//! most threads there ever were at once. A number that comes to a new thread finds the value of the
//! one that had it before: that is put aside, for whoever sums up.

use crate::owned::{Counted, Owned};
use crate::slot::Slot;
use crossbeam_utils::CachePadded;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Which numbers threads have, a bit each. Not a lock: a thread gives its number back after it has
/// left the interpreter, so another may fork at that moment, and the child would find the lock
/// taken for ever.
static TAKEN: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
/// The next number beyond those; these are not used again.
static BEYOND: AtomicUsize = AtomicUsize::new(TAKEN.len() * 64);
/// Threads are told apart by this, as numbers are used again.
static BIRTHS: AtomicU64 = AtomicU64::new(1);

struct Number {
    place: usize,
    birth: u64,
}

impl Number {
    fn draw() -> Self {
        let place = TAKEN.iter().enumerate().find_map(|(index, word)| {
            let mut taken = word.load(Ordering::Relaxed);
            while taken != u64::MAX {
                let bit = taken.trailing_ones();
                // Acquire, with the release of whoever gave it back: what that thread wrote in its
                // place comes first.
                match word.compare_exchange_weak(
                    taken,
                    taken | 1 << bit,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Some(index * 64 + bit as usize),
                    Err(now) => taken = now,
                }
            }
            None
        });
        let place = place.unwrap_or_else(|| BEYOND.fetch_add(1, Ordering::Relaxed));
        Self { place, birth: BIRTHS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(word) = TAKEN.get(self.place / 64) {
            word.fetch_and(!(1 << (self.place % 64)), Ordering::Release);
        }
    }
}

thread_local! {
    static NUMBER: RefCell<Option<Number>> = const { RefCell::new(None) };
}

/// This thread's place and birth. None while the thread is being torn down.
#[inline]
fn number() -> Option<(usize, u64)> {
    NUMBER
        .try_with(|number| {
            let mut number = number.borrow_mut();
            let number = number.get_or_insert_with(Number::draw);
            (number.place, number.birth)
        })
        .ok()
}

struct Place<C: Counted> {
    birth: AtomicU64,
    slot: Slot<C>,
}

type Segment<C> = OnceLock<Box<[CachePadded<Place<C>>]>>;

/// Segments of 8, 8, 16, 32 ... places: they never move.
const FIRST: usize = 8;
const SEGMENTS: usize = 28;

/// The slots.
pub struct PerThread<C: Counted> {
    segments: [Segment<C>; SEGMENTS],
    /// Values of threads that have ended.
    aside: Mutex<Vec<Owned<C>>>,
    /// How often a value was put aside: whoever reads both places looks whether one moved
    /// meanwhile.
    moves: AtomicUsize,
}

impl<C: Counted> Default for PerThread<C> {
    fn default() -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
            aside: Mutex::new(Vec::new()),
            moves: AtomicUsize::new(0),
        }
    }
}

/// Which segment a place is in, and where there.
fn locate(place: usize) -> (usize, usize) {
    let segment = (place / FIRST + 1).ilog2() as usize;
    let start = FIRST * ((1 << segment) - 1);
    (segment, place - start)
}

impl<C: Counted> PerThread<C> {
    /// This thread's slot, if it has put something in since it began.
    #[inline]
    pub fn mine(&self) -> Option<&Slot<C>> {
        let (place, birth) = number()?;
        let (segment, index) = locate(place);
        let place = self.segments.get(segment)?.get()?.get(index)?;
        (place.birth.load(Ordering::Relaxed) == birth).then_some(&place.slot)
    }

    /// Puts this thread's value in and returns the one it had. Gives `value` back if the thread is
    /// being torn down.
    pub fn put(&self, value: Owned<C>) -> Result<Option<Owned<C>>, Owned<C>> {
        if let Some(slot) = self.mine() {
            return Ok(slot.swap(value));
        }
        let Some((place, birth)) = number() else { return Err(value) };
        let (segment, index) = locate(place);
        let Some(places) = self.segments.get(segment) else { return Err(value) };
        let fresh = || CachePadded::new(Place { birth: AtomicU64::new(0), slot: Slot::default() });
        let places = places.get_or_init(|| (0..FIRST << segment).map(|_| fresh()).collect());
        let place = &places[index];
        // A thread that has ended cannot lay claim to it, and nobody else has this number: the
        // place is this thread's.
        let mut aside = self.aside();
        let old = place.slot.swap(value);
        place.birth.store(birth, Ordering::Relaxed);
        if let Some(old) = old {
            aside.push(old);
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        Ok(None)
    }

    fn aside(&self) -> MutexGuard<'_, Vec<Owned<C>>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every thread's slot.
    pub fn slots(&self) -> impl Iterator<Item = &Slot<C>> {
        self.segments
            .iter()
            .filter_map(OnceLock::get)
            .flat_map(|places| places.iter().map(|place| &place.slot))
    }

    /// Every value, also of threads that have ended. What is put in meanwhile may be missing.
    pub fn values(&self) -> Vec<Owned<C>> {
        loop {
            let moves = self.moves.load(Ordering::SeqCst);
            let mut values: Vec<_> = self.slots().filter_map(Slot::load).collect();
            values.extend(self.aside().iter().filter_map(Owned::try_clone));
            if self.moves.load(Ordering::SeqCst) == moves {
                return values;
            }
        }
    }

    /// Takes every value out, each once whoever else takes.
    pub fn take(&self) -> Vec<Owned<C>> {
        // The slots first: what is put aside meanwhile is found there.
        let mut values: Vec<_> = self.slots().filter_map(Slot::take).collect();
        values.append(&mut self.aside());
        values
    }

    /// Shows the values of ended threads, under the lock: for the collector, while nothing else
    /// runs.
    pub fn with_put_aside<R>(&self, look: impl FnOnce(&[Owned<C>]) -> R) -> R {
        look(&self.aside())
    }
}

impl<C: Counted> Drop for PerThread<C> {
    fn drop(&mut self) {
        self.take().into_iter().for_each(Owned::dispose);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::owned::plain::{Plain, own, word};

    #[test]
    fn each_thread_finds_its_own_and_none_is_lost_when_it_ends() {
        let values = PerThread::<Plain>::default();
        for round in 0..20u64 {
            std::thread::scope(|scope| {
                for thread in 0..5u64 {
                    let values = &values;
                    scope.spawn(move || {
                        assert!(values.mine().is_none_or(|slot| slot.is_empty()));
                        values.put(own(round * 5 + thread)).unwrap();
                        assert_eq!(values.mine().unwrap().peek(), word(round * 5 + thread));
                    });
                }
            });
        }
        let mut all: Vec<_> = values.values().iter().map(Owned::as_raw).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).map(word).collect::<Vec<_>>());
        assert_eq!(values.take().len(), 100);
        assert!(values.values().is_empty());
    }

    #[test]
    fn places_fill_the_segments_in_order() {
        let mut next = (0, 0);
        for place in 0..200 {
            if next.1 == FIRST << next.0 {
                next = (next.0 + 1, 0);
            }
            assert_eq!(locate(place), next);
            next.1 += 1;
        }
    }
}
