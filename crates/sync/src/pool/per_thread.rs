//! A slot for each thread: found through a number that the thread carries, read without a lock or a shared write.
//!
//! Threads number themselves with the smallest number free, so that the table is as large as the most threads there ever were
//! at once. A number that comes to a new thread finds the value of the one that had it before: that is put aside, for whoever sums up.

use crate::slot::{Counted, Slot};
use crossbeam_utils::CachePadded;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Which numbers threads have, a bit each. Not a lock: a thread gives its number back after it has left the interpreter, so another may
/// fork at that moment, and the child would find the lock taken for ever.
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
                // Acquire, with the release of whoever gave it back: what that thread wrote in its place comes first.
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

#[derive(Default)]
struct Place {
    birth: AtomicU64,
    slot: Slot,
}

type Segment = OnceLock<Box<[CachePadded<Place>]>>;

/// Segments of 8, 8, 16, 32 ... places: they never move.
const FIRST: usize = 8;
const SEGMENTS: usize = 28;

/// The slots.
pub struct PerThread<C: Counted> {
    segments: [Segment; SEGMENTS],
    aside: Mutex<Vec<u64>>,
    /// How often a value was put aside: whoever reads both places looks whether one moved meanwhile.
    moves: AtomicUsize,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Default for PerThread<C> {
    fn default() -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
            aside: Mutex::new(Vec::new()),
            moves: AtomicUsize::new(0),
            counted: PhantomData,
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
    pub fn mine(&self) -> Option<&Slot> {
        let (place, birth) = number()?;
        let (segment, index) = locate(place);
        let place = self.segments.get(segment)?.get()?.get(index)?;
        (place.birth.load(Ordering::Relaxed) == birth).then_some(&place.slot)
    }

    /// Puts this thread's value in and returns the one it had, or 0. Gives `word` back if the thread is being torn down.
    pub fn put(&self, word: u64) -> Result<u64, u64> {
        if let Some(slot) = self.mine() {
            return Ok(slot.swap(word));
        }
        let Some((place, birth)) = number() else { return Err(word) };
        let (segment, index) = locate(place);
        let Some(places) = self.segments.get(segment) else { return Err(word) };
        let places = places
            .get_or_init(|| (0..FIRST << segment).map(|_| CachePadded::new(Place::default())).collect());
        let place = &places[index];
        // A thread that has ended cannot lay claim to it, and nobody else has this number: the place is this thread's.
        let mut aside = self.aside();
        let old = place.slot.swap(word);
        place.birth.store(birth, Ordering::Relaxed);
        if old != 0 {
            aside.push(old);
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        Ok(0)
    }

    fn aside(&self) -> MutexGuard<'_, Vec<u64>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every thread's slot.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.segments
            .iter()
            .filter_map(OnceLock::get)
            .flat_map(|places| places.iter().map(|place| &place.slot))
    }

    /// Every value, also of threads that have ended, each with a count of its own. What is put in meanwhile may be missing.
    pub fn values(&self) -> Vec<u64> {
        loop {
            let moves = self.moves.load(Ordering::SeqCst);
            let mut words: Vec<u64> = self.slots().map(Slot::load::<C>).filter(|word| *word != 0).collect();
            {
                let aside = self.aside();
                // The list owns a count of each while it is locked, so that every one is alive.
                words.extend(aside.iter().filter(|word| retain::<C>(**word)));
            }
            if self.moves.load(Ordering::SeqCst) == moves {
                return words;
            }
            words.into_iter().for_each(release::<C>);
        }
    }

    /// Takes every value out, each once whoever else takes: the counts are the caller's.
    pub fn take(&self) -> Vec<u64> {
        // The slots first: what is put aside meanwhile is found there.
        let mut words: Vec<u64> = self.slots().map(|slot| slot.swap(0)).filter(|word| *word != 0).collect();
        words.append(&mut self.aside());
        words
    }

    /// The values of ended threads that were put aside, without counts. For the collector, while nothing else runs.
    pub fn put_aside(&self) -> Vec<u64> {
        self.aside().clone()
    }
}

#[allow(unsafe_code)]
fn retain<C: Counted>(word: u64) -> bool {
    // SAFETY: the caller holds a place that owns a count of it.
    unsafe { C::try_retain(word) }
}

#[allow(unsafe_code)]
fn release<C: Counted>(word: u64) {
    // SAFETY: the caller owns the count.
    unsafe { C::release(word) }
}

#[allow(unsafe_code)]
impl<C: Counted> Drop for PerThread<C> {
    fn drop(&mut self) {
        // SAFETY: what was taken is this drop's.
        unsafe { C::dispose(&mut self.take().into_iter()) }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(unsafe_code)]
mod tests {
    use super::*;

    struct Plain;

    // SAFETY: the words stand for themselves.
    unsafe impl Counted for Plain {
        unsafe fn try_retain(_: u64) -> bool {
            true
        }
        unsafe fn release(_: u64) {}
    }

    #[test]
    fn each_thread_finds_its_own_and_none_is_lost_when_it_ends() {
        let values = PerThread::<Plain>::default();
        for round in 0..20u64 {
            std::thread::scope(|scope| {
                for thread in 0..5u64 {
                    let values = &values;
                    scope.spawn(move || {
                        assert!(values.mine().is_none_or(|slot| slot.peek() == 0));
                        values.put(round * 5 + thread + 1).unwrap();
                        assert_eq!(values.mine().unwrap().peek(), round * 5 + thread + 1);
                    });
                }
            });
        }
        let mut all = values.values();
        all.sort_unstable();
        assert_eq!(all, (1..=100).collect::<Vec<_>>());
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
