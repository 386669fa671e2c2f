//! One slot per thread. A thread finds its slot through an index kept in thread-local storage, and
//! reads it without a lock or a shared write.
//!
//! A thread takes the smallest free index, so the table is as large as the largest number of
//! threads alive at once. A new thread that reuses an index finds the value of the thread that had
//! it before. That value is moved to a list of retired values, so that sums still include it.

use crate::owned::{Counted, Owned};
use crate::slot::Slot;
use crossbeam_utils::CachePadded;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// One bit per index in use. Taken with Acquire, returned with Release. Not a lock, because a
/// thread returns its index after it has left the interpreter: another thread may fork at that
/// moment, and the child would find the lock held forever.
static TAKEN: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
/// The next index above those of [`TAKEN`]. These indices are not reused.
static NEXT_ABOVE: AtomicUsize = AtomicUsize::new(TAKEN.len() * 64);
/// Distinguishes threads that had the same index.
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

struct ThreadIndex {
    index: usize,
    serial: u64,
}

impl ThreadIndex {
    fn allocate() -> Self {
        let index = TAKEN.iter().enumerate().find_map(|(index, word)| {
            let mut taken = word.load(Ordering::Relaxed);
            while taken != u64::MAX {
                let bit = taken.trailing_ones();
                // Acquire pairs with the Release in `drop`: what the previous thread wrote to its
                // slot is visible.
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
        let index = index.unwrap_or_else(|| NEXT_ABOVE.fetch_add(1, Ordering::Relaxed));
        Self { index, serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for ThreadIndex {
    fn drop(&mut self) {
        if let Some(word) = TAKEN.get(self.index / 64) {
            word.fetch_and(!(1 << (self.index % 64)), Ordering::Release);
        }
    }
}

thread_local! {
    static INDEX: RefCell<Option<ThreadIndex>> = const { RefCell::new(None) };
}

/// Returns the calling thread's index and serial, or `None` while the thread is being torn
/// down.
#[inline]
fn thread_index() -> Option<(usize, u64)> {
    INDEX
        .try_with(|cell| {
            let mut cell = cell.borrow_mut();
            let thread = cell.get_or_insert_with(ThreadIndex::allocate);
            (thread.index, thread.serial)
        })
        .ok()
}

struct ThreadSlot<C: Counted> {
    /// Serial of the thread that owns the value. Relaxed: written and compared by owners of the
    /// index only.
    serial: AtomicU64,
    slot: Slot<C>,
}

type Segment<C> = OnceLock<Box<[CachePadded<ThreadSlot<C>>]>>;

/// Segments have 8, 16, 32 ... slots and never move.
const FIRST_SEGMENT: usize = 8;
const SEGMENTS: usize = 28;

/// The per-thread slots.
pub struct PerThread<C: Counted> {
    segments: [Segment<C>; SEGMENTS],
    /// Values of threads that have ended.
    retired: Mutex<Vec<Owned<C>>>,
    /// Number of values moved to `retired`. A thread that reads slots and `retired` compares it
    /// before and after, both with SeqCst.
    moves: AtomicUsize,
}

impl<C: Counted> Default for PerThread<C> {
    fn default() -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
            retired: Mutex::new(Vec::new()),
            moves: AtomicUsize::new(0),
        }
    }
}

/// Returns the segment of an index and the offset in that segment.
fn locate(index: usize) -> (usize, usize) {
    let segment = (index / FIRST_SEGMENT + 1).ilog2() as usize;
    let start = FIRST_SEGMENT * ((1 << segment) - 1);
    (segment, index - start)
}

impl<C: Counted> PerThread<C> {
    /// Returns the calling thread's slot, if the thread has stored a value.
    #[inline]
    pub fn current(&self) -> Option<&Slot<C>> {
        let (index, serial) = thread_index()?;
        let (segment, offset) = locate(index);
        let entry = self.segments.get(segment)?.get()?.get(offset)?;
        (entry.serial.load(Ordering::Relaxed) == serial).then_some(&entry.slot)
    }

    /// Stores the calling thread's value and returns its previous one. Returns `value` as an error
    /// if the thread is being torn down.
    pub fn put(&self, value: Owned<C>) -> Result<Option<Owned<C>>, Owned<C>> {
        if let Some(slot) = self.current() {
            return Ok(slot.swap(value));
        }
        let Some((index, serial)) = thread_index() else { return Err(value) };
        let (segment, offset) = locate(index);
        let Some(entries) = self.segments.get(segment) else { return Err(value) };
        let fresh =
            || CachePadded::new(ThreadSlot { serial: AtomicU64::new(0), slot: Slot::default() });
        let entries =
            entries.get_or_init(|| (0..FIRST_SEGMENT << segment).map(|_| fresh()).collect());
        let entry = &entries[offset];
        // The slot belongs to this thread: its previous owner has ended, and no other thread has
        // this index.
        let mut retired = self.retired();
        let old = entry.slot.swap(value);
        entry.serial.store(serial, Ordering::Relaxed);
        if let Some(old) = old {
            retired.push(old);
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        Ok(None)
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Owned<C>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Iterates over the slots of all threads.
    pub fn slots(&self) -> impl Iterator<Item = &Slot<C>> {
        self.segments
            .iter()
            .filter_map(OnceLock::get)
            .flat_map(|entries| entries.iter().map(|entry| &entry.slot))
    }

    /// Returns the values of all threads, including ended ones. Values stored concurrently may be
    /// missing.
    pub fn values(&self) -> Vec<Owned<C>> {
        loop {
            let moves = self.moves.load(Ordering::SeqCst);
            let mut values: Vec<_> = self.slots().filter_map(Slot::load).collect();
            values.extend(self.retired().iter().filter_map(Owned::try_clone));
            if self.moves.load(Ordering::SeqCst) == moves {
                return values;
            }
        }
    }

    /// Takes all values out. Each value is returned by exactly one of several concurrent calls.
    pub fn take(&self) -> Vec<Owned<C>> {
        // Slots first: a value that is retired meanwhile is found in the list.
        let mut values: Vec<_> = self.slots().filter_map(Slot::take).collect();
        values.append(&mut self.retired());
        values
    }

    /// Calls `visit` with the values of ended threads, under the lock. For the garbage collector,
    /// while all threads are stopped.
    pub fn with_retired<R>(&self, visit: impl FnOnce(&[Owned<C>]) -> R) -> R {
        visit(&self.retired())
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
    use crate::owned::uncounted::{Uncounted, own, word};

    #[test]
    fn each_thread_has_its_own_slot_and_ended_threads_keep_their_value() {
        let values = PerThread::<Uncounted>::default();
        for round in 0..20u64 {
            std::thread::scope(|scope| {
                for thread in 0..5u64 {
                    let values = &values;
                    scope.spawn(move || {
                        assert!(values.current().is_none_or(|slot| slot.is_empty()));
                        values.put(own(round * 5 + thread)).unwrap();
                        assert_eq!(values.current().unwrap().peek(), word(round * 5 + thread));
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
    fn locate_fills_the_segments_in_order() {
        let mut next = (0, 0);
        for index in 0..200 {
            if next.1 == FIRST_SEGMENT << next.0 {
                next = (next.0 + 1, 0);
            }
            assert_eq!(locate(index), next);
            next.1 += 1;
        }
    }
}
