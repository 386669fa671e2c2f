//! Finding a key. Only the caller can tell whether two keys are equal, and may need to run code of
//! its user's for it, which may do anything, to this table too. So a search that meets such a key
//! stops ([`Ask`]), leaves everything, and goes on from there when it has been told. A place never
//! changes its key, so what has been looked at need not be looked at again, unless the shard has
//! moved to another array: then the search begins anew.

#![allow(unsafe_code)]

use super::array::{DEAD, Entry, MOVED, is_live};
use super::reclaim::Guard;
use super::shard::Shard;
use crate::owned::{Counted, Owned};

/// What is looked for.
pub trait Query<K: Counted> {
    /// Whether a stored key, of which only the word may be looked at, is certainly another.
    fn differs(&self, stored: u64) -> bool;

    /// Whether a stored key of the same hash is the one. Must not run foreign code.
    fn judge(&self, stored: &Owned<K>) -> Verdict;
}

/// What a [`Query`] says of a stored key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the key.
    Same,
    /// It is another.
    Differs,
    /// That cannot be said here.
    Ask,
}

/// The caller must find out whether this stored key equals the one looked for, and say so with
/// [`Search::accept`] or [`Search::pass`].
pub struct Ask<K: Counted>(pub Owned<K>);

/// How far a search has come.
pub struct Search<K: Counted> {
    pub(super) hash: u64,
    word: u64,
    /// The stored key that is known to be equal. Its count is held, so that no other key comes to
    /// its address.
    twin: Option<Owned<K>>,
    /// The array and the place to look at next.
    pub(super) next: (u64, usize),
}

impl<K: Counted> Search<K> {
    /// For a key of this hash. Equal words are equal keys.
    #[inline]
    pub fn new(hash: u64, word: u64) -> Self {
        // Python's hashes of small ints are the ints, so they must be spread over the shards and in
        // them; but the last two bits stay, so that four neighbours lie together.
        let spread = (hash >> 2).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let spread = (spread ^ (spread >> 32)) & !3 | hash & 3;
        Self { hash: spread, word, twin: None, next: (u64::MAX, 0) }
    }

    /// The key asked about is the one.
    pub fn accept(&mut self, stored: Owned<K>) {
        self.twin = Some(stored);
    }

    /// The key asked about is another.
    pub fn pass(&mut self) {
        self.next.1 = self.next.1.wrapping_add(1);
    }
}

/// What was found at [`Search::next`].
pub(super) enum Found<'g> {
    /// The key's entry, which may be in the table or not any more.
    Here(&'g Entry),
    /// The end: the key is not in the table.
    Absent,
}

/// Finds the key's next entry.
#[inline(always)]
pub(super) fn find<'g, K: Counted, Q: Query<K>>(
    shard: &Shard,
    query: &Q,
    search: &mut Search<K>,
    guard: &'g Guard,
) -> Result<Found<'g>, Ask<K>> {
    let twin = search.twin.as_ref().map_or(0, Owned::as_raw);
    loop {
        let Some(array) = shard.array(guard) else {
            search.next = (0, 0);
            return Ok(Found::Absent);
        };
        let mut index =
            if search.next.0 == array.id { search.next.1 } else { search.hash as usize };
        loop {
            let entry = array.at(index);
            let key = entry.key.peek();
            if key == 0 {
                search.next = (array.id, index);
                return Ok(Found::Absent);
            }
            if entry.hash() == search.hash {
                if key == search.word || key == twin {
                    search.next = (array.id, index);
                    return Ok(Found::Here(entry));
                }
                if key == MOVED {
                    shard.wait_past(array.id, guard);
                    break;
                }
                if key != DEAD && !query.differs(key) {
                    search.next = (array.id, index);
                    if judge::<K, Q>(query, entry)? {
                        return Ok(Found::Here(entry));
                    }
                    // It may have moved meanwhile, which must not be taken for another key.
                    if entry.key.peek() == MOVED {
                        continue;
                    }
                }
            }
            index = index.wrapping_add(1);
        }
    }
}

/// Whether the entry's key is the one.
#[cold]
fn judge<K: Counted, Q: Query<K>>(query: &Q, entry: &Entry) -> Result<bool, Ask<K>> {
    // SAFETY: an entry's key is counted as `K` says, or a mark.
    let stored = unsafe { entry.key.load::<K>() };
    if !is_live(stored) {
        return Ok(false);
    }
    // SAFETY: `load` gave the count. If it is the last when it goes, and the query has judged, the
    // key is of a kind that the query knows, and runs no code when it goes.
    let stored = unsafe { Owned::from_raw(stored) };
    match query.judge(&stored) {
        Verdict::Ask => Err(Ask(stored)),
        verdict => Ok(verdict == Verdict::Same),
    }
}
