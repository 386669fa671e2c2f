//! A count for each key. A count is a word in the table until threads collide on it; then it
//! becomes a row of cells, one for each thread, and adding to a hot key costs no more than adding
//! to a cold one. It becomes a word again when it is set or removed.

#![allow(unsafe_code)]

use super::array::is_live;
use super::search::{Ask, Query, Search};
use super::shard::{Full, back_off};
use super::{Outcome, Table};
use crate::owned::{Counted, Owned};
use crate::prim::atomic::{AtomicBool, AtomicI64, Ordering};
use crate::slot::RawSlot;
use crate::stripe::{stripes, thread_number};
use crossbeam_utils::CachePadded;

const INT: u64 = 0b01;
/// A cell that takes no more additions: far below anything that additions add up to.
const CLOSED: i64 = i64::MIN / 2;
/// What a cell takes at once. Larger ones go to the word, so that no cell can run over.
const SMALL: i64 = 1 << 20;
/// Collisions after which a count becomes a row.
const PATIENCE: u32 = 2;

/// The count would not fit into 62 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// The row of a hot key.
struct Row {
    cells: Box<[CachePadded<AtomicI64>]>,
    closing: AtomicBool,
    closed: AtomicBool,
    total: AtomicI64,
}

impl Row {
    fn new(initial: i64) -> Box<Self> {
        let cells: Box<[_]> = (0..stripes()).map(|_| CachePadded::new(AtomicI64::new(0))).collect();
        cells[0].store(initial, Ordering::Relaxed);
        Box::new(Self {
            cells,
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            total: AtomicI64::new(0),
        })
    }

    /// Adds `n`, unless the row is closed.
    fn add(&self, n: i64) -> bool {
        self.cells[thread_number() & (self.cells.len() - 1)].fetch_add(n, Ordering::AcqRel)
            > CLOSED / 2
    }

    /// The sum: of a closed row for ever the same.
    fn sum(&self) -> i64 {
        let sum = self
            .cells
            .iter()
            .fold(0i64, |sum, cell| sum.wrapping_add(cell.load(Ordering::Acquire)));
        if self.closing.load(Ordering::Acquire) { self.closed_sum() } else { sum }
    }

    /// Has the row take no more, and sums it up.
    fn close(&self) -> i64 {
        if !self.closing.swap(true, Ordering::AcqRel) {
            let cells = self.cells.iter();
            let sum =
                cells.fold(0i64, |sum, cell| sum.wrapping_add(cell.swap(CLOSED, Ordering::AcqRel)));
            self.total.store(sum, Ordering::Relaxed);
            self.closed.store(true, Ordering::Release);
        }
        self.closed_sum()
    }

    fn closed_sum(&self) -> i64 {
        let mut turns = 0;
        while !self.closed.load(Ordering::Acquire) {
            back_off(&mut turns);
        }
        self.total.load(Ordering::Relaxed)
    }
}

/// The words of counts: a number, or the address of a row.
struct Count;

// SAFETY: such words have no counts. A row is read only inside of the table, and given back only
// when nobody is there any more.
unsafe impl Counted for Count {
    unsafe fn try_retain(_word: u64) -> bool {
        true
    }

    unsafe fn release(word: u64) {
        if is_row(word) {
            #[cfg(not(loom))]
            // SAFETY: from a box, and out of the table.
            unsafe {
                let row = word as usize as *mut Row;
                crossbeam_epoch::pin().defer_unchecked(move || drop(Box::from_raw(row)));
            }
        }
    }
}

fn is_row(word: u64) -> bool {
    word & 0b11 == 0 && word != 0
}

/// # Safety
/// The word is a row's, read from the table since the caller went inside, where it still is.
unsafe fn row<'a>(word: u64) -> &'a Row {
    // SAFETY: the caller's.
    unsafe { &*(word as usize as *const Row) }
}

fn pack(n: i64) -> Result<u64, Overflow> {
    if (n << 2) >> 2 == n { Ok((n << 2) as u64 | INT) } else { Err(Overflow) }
}

/// The word of a number that is known to fit.
fn counted(n: i64) -> Owned<Count> {
    // SAFETY: such a word has no count, and is no mark.
    unsafe { Owned::from_raw(pack(n).unwrap_or(INT)) }
}

fn unpack(word: u64) -> i64 {
    (word as i64) >> 2
}

/// The number a live word stands for.
///
/// # Safety
/// As [`row`].
unsafe fn number(word: u64) -> i64 {
    // SAFETY: the caller's.
    if is_row(word) { unsafe { row(word) }.sum() } else { unpack(word) }
}

/// Counts by key.
pub struct Tally<K: Counted> {
    table: Table<K, Count>,
}

impl<K: Counted> Tally<K> {
    /// No counts, in `shards` parts.
    pub fn new(shards: usize) -> Self {
        Self { table: Table::new(shards) }
    }

    /// The key's count.
    pub fn get<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<Option<i64>, Ask<K>> {
        // SAFETY: inside.
        self.table.at(query, search, |_, word| Some(unsafe { number(word) }))
    }

    /// Adds `n` to the key's count, if it has one.
    pub fn add<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        n: i64,
    ) -> Result<Option<Result<(), Overflow>>, Ask<K>> {
        let mut collisions = 0;
        self.table.at(query, search, |entry, word| {
            if is_row(word) {
                // SAFETY: inside.
                if (-SMALL..SMALL).contains(&n) && unsafe { row(word) }.add(n) {
                    return Some(Ok(()));
                }
                fold(&entry.value, word);
                return None;
            }
            let sum = match unpack(word).checked_add(n).ok_or(Overflow).and_then(pack) {
                Ok(sum) => sum,
                Err(overflow) => return Some(Err(overflow)),
            };
            if collisions < PATIENCE {
                collisions += 1;
                return entry.value.compare_exchange(word, sum).ok().map(|_| Ok(()));
            }
            let row = Box::into_raw(Row::new(unpack(sum)));
            if entry.value.compare_exchange(word, row as usize as u64).is_ok() {
                return Some(Ok(()));
            }
            // SAFETY: nobody has seen it.
            drop(unsafe { Box::from_raw(row) });
            None
        })
    }

    /// Sets the key's count, if it has one, and returns what it was.
    pub fn replace<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
        n: i64,
    ) -> Result<Option<i64>, Ask<K>> {
        let new = pack(n).unwrap_or(INT);
        self.table.at(query, search, |entry, word| {
            if is_row(word) {
                fold(&entry.value, word);
                return None;
            }
            entry.value.compare_exchange(word, new).ok().map(unpack)
        })
    }

    /// Adds a key with its first count. False if the key must be looked for again: see
    /// [`Table::insert`].
    pub fn insert(&self, search: &Search<K>, key: Owned<K>, n: i64) -> Result<bool, Full> {
        Ok(self.table.insert(search, key, counted(n))?.is_none())
    }

    /// Whether a count can be `n`.
    pub fn fits(n: i64) -> bool {
        pack(n).is_ok()
    }

    /// Removes the key: what its count was.
    pub fn remove<Q: Query<K>>(
        &self,
        query: &Q,
        search: &mut Search<K>,
    ) -> Result<Option<(Owned<K>, i64)>, Ask<K>> {
        loop {
            let number = self.table.at(query, search, |entry, word| {
                if is_row(word) {
                    fold(&entry.value, word);
                    return None;
                }
                Some(counted(unpack(word)))
            })?;
            let Some(number) = number else { return Ok(None) };
            if let Outcome::Done((key, number)) = self.table.remove(query, search, Some(&number))? {
                return Ok(Some((key, unpack(number.as_raw()))));
            }
        }
    }

    /// The keys and the counts of a part.
    pub fn entries(&self, index: usize) -> Result<Vec<(Owned<K>, i64)>, Full> {
        self.table.entries_by(index, |slot| {
            let word = slot.peek();
            // SAFETY: inside. What a row holds fits: see `SMALL`.
            is_live(word).then(|| unsafe { number(word) })
        })
    }

    /// Takes everything out: the keys.
    pub fn drain(&self) -> Result<Vec<Owned<K>>, Full> {
        Ok(self.table.drain()?.into_iter().map(|(key, _)| key).collect())
    }

    /// Shows every key, for the collector.
    ///
    /// # Safety
    /// No other thread uses the counts during the call, and `show` does not either.
    pub unsafe fn each<E>(
        &self,
        mut show: impl FnMut(&Owned<K>) -> Result<(), E>,
    ) -> Result<(), E> {
        // SAFETY: the caller's.
        unsafe { self.table.each(|key, _| show(key)) }
    }

    /// Whether the key has a count.
    pub fn contains<Q: Query<K>>(&self, query: &Q, search: &mut Search<K>) -> Result<bool, Ask<K>> {
        self.table.contains(query, search)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many parts there are.
    pub fn shards(&self) -> usize {
        self.table.shards()
    }
}

/// Makes a row a number again.
fn fold(slot: &RawSlot, word: u64) {
    // SAFETY: inside.
    let total = unsafe { row(word) }.close();
    if slot.compare_exchange(word, pack(total).unwrap_or(INT)).is_ok() {
        // SAFETY: this thread took it out.
        unsafe { Count::release(word) };
    }
}
