//! Walks one of the collector's lists while the program modifies it.
//!
//! A list of millions of objects cannot be read with one system call per object, so memory is read
//! in chunks, which may be outdated. An object is accepted if it points back to the one it was
//! reached from. If it does not, both are read again. If the list has changed, the walk returns to
//! the last object that is still in a list and continues from there. Each object is counted once,
//! no matter how often it is reached.

use super::type_histogram::TypeHistogram;
use crate::memory::{Memory, ReadError, word};
use cpython_layout::DebugOffsets;
use cpython_layout::structures::GcHead;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Bytes read at once; objects allocated in sequence are adjacent.
const CHUNK_SIZE: u64 = 4096;
/// Number of cached chunks; a power of two.
const CACHED_CHUNKS: usize = 256;
/// Bytes read of an object: the collector's header, the object header and the length.
const OBJECT_BYTES: usize = 48;
/// Number of objects that the walk can go back.
const MAX_TRAIL: usize = 4096;
/// Maximum number of restarts from the head.
const MAX_RESTARTS: u64 = 16;
/// Maximum number of times the walk goes back on its trail.
const MAX_STEPS_BACK: u64 = 100_000;
/// Number of objects between two progress reports.
const REPORT_INTERVAL: u64 = 1 << 16;

/// Maximum number of 64 KiB chunks whose objects are recorded: 64 GiB of memory, which takes 0.5
/// GiB here.
const MAX_CHUNKS: usize = 1 << 20;

/// Set of object addresses: a bit per 16 bytes, in chunks of 64 KiB.
#[derive(Debug, Default)]
pub(crate) struct AddressSet {
    chunks: FxHashMap<u64, Box<[u64; 64]>>,
    /// Number of addresses in the set.
    pub(crate) count: u64,
}

impl AddressSet {
    /// Returns whether no more chunks may be added.
    fn is_full(&self) -> bool {
        self.chunks.len() >= MAX_CHUNKS
    }

    /// Adds an address; returns whether it is new.
    fn insert(&mut self, address: u64) -> bool {
        let bits = self.chunks.entry(address >> 16).or_insert_with(|| Box::new([0; 64]));
        let index = (address >> 4 & 0xFFF) as usize;
        let (word, bit) = (&mut bits[index / 64], 1 << (index % 64));
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        new
    }
}

/// A walk through one list.
pub(crate) struct ListWalk<'a> {
    memory: &'a dyn Memory,
    offsets: &'a DebugOffsets,
    seen: &'a mut AddressSet,
    heads: &'a [u64],
    head: u64,
    chunks: Vec<(u64, Vec<u8>)>,
    trail: VecDeque<u64>,
    /// The list could not be walked to its end.
    pub(crate) torn: bool,
    /// The walk was cancelled.
    pub(crate) stopped: bool,
}

impl<'a> ListWalk<'a> {
    /// Prepares a walk that starts at `head` and ends at any of `heads`.
    pub(crate) fn new(
        memory: &'a dyn Memory,
        offsets: &'a DebugOffsets,
        seen: &'a mut AddressSet,
        heads: &'a [u64],
        head: u64,
    ) -> ListWalk<'a> {
        let chunks = vec![(u64::MAX, Vec::new()); CACHED_CHUNKS];
        ListWalk {
            memory,
            offsets,
            seen,
            heads,
            head,
            chunks,
            trail: VecDeque::new(),
            torn: false,
            stopped: false,
        }
    }

    /// Walks the list. Returns the number of restarts.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub(crate) fn run(
        &mut self,
        histogram: &mut TypeHistogram<'_>,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<u64, ReadError> {
        let (mut restarts, mut steps_back, mut steps, mut old) = (0, 0, 0_u64, 0);
        let mut here = self.head;
        let mut next = self.read_links(here)?.map_or(here, |links| links.0);
        loop {
            if self.heads.contains(&next) {
                if next == self.head || restarts >= MAX_RESTARTS {
                    break;
                }
                // The objects were moved to another list during the walk. What is left in this one
                // is still to be counted.
                restarts += 1;
                (here, next) =
                    (self.head, self.read_links(self.head)?.map_or(self.head, |links| links.0));
                continue;
            }
            steps += 1;
            if steps % REPORT_INTERVAL == 0 && !go_on(self.seen.count) || self.seen.is_full() {
                self.stopped = true;
                break;
            }
            if let Some((after, bytes)) = self.step(here, next)? {
                old += 1;
                if self.seen.insert(next) {
                    old = 0;
                    histogram.add_sized(bytes.get(GcHead::SIZE as usize..).unwrap_or_default());
                }
                if old > self.seen.count {
                    // More steps than a whole walk without a new object: this is a ring without the
                    // list head.
                    self.torn = true;
                    break;
                }
                if self.trail.len() == MAX_TRAIL {
                    self.trail.pop_front();
                }
                self.trail.push_back(next);
                (here, next) = (next, after);
                continue;
            }
            steps_back += 1;
            if steps_back > MAX_STEPS_BACK {
                self.torn = true;
                break;
            }
            (here, next) = match self.go_back()? {
                Some(found) => found,
                None if restarts < MAX_RESTARTS => {
                    restarts += 1;
                    (self.head, self.read_links(self.head)?.map_or(self.head, |links| links.0))
                }
                None => {
                    self.torn = true;
                    break;
                }
            };
        }
        Ok(restarts)
    }

    /// Returns the successor of `next` and the bytes of `next`, if `next` points back to `here`.
    fn step(
        &mut self,
        here: u64,
        next: u64,
    ) -> Result<Option<(u64, [u8; OBJECT_BYTES])>, ReadError> {
        for reread in [false, true] {
            let Some(bytes) = self.node(next, reread)? else { return Ok(None) };
            if word(&bytes, 8) & !GcHead::FLAGS == here {
                let after = word(&bytes, 0) & !GcHead::FLAGS;
                // The chunk may predate the insertion of the next object.
                if reread || !self.heads.contains(&after) {
                    return Ok(Some((after, bytes)));
                }
            }
        }
        Ok(None)
    }

    /// Returns the last object of the trail that is still in a list, and its successor.
    fn go_back(&mut self) -> Result<Option<(u64, u64)>, ReadError> {
        while let Some(address) = self.trail.pop_back() {
            if let Some((next, previous)) = self.read_links(address)?
                && self.read_links(next)?.is_some_and(|links| links.1 == address)
                && self.read_links(previous)?.is_some_and(|links| links.0 == address)
            {
                self.trail.push_back(address);
                return Ok(Some((address, next)));
            }
        }
        Ok(None)
    }

    /// Reads the current links of the object at `address`.
    fn read_links(&self, address: u64) -> Result<Option<(u64, u64)>, ReadError> {
        match self.memory.bytes::<16>(address) {
            Ok(bytes) => {
                Ok(Some((word(&bytes, 0) & !GcHead::FLAGS, word(&bytes, 8) & !GcHead::FLAGS)))
            }
            Err(error) if error.is_local() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the bytes of the object at `address`, from the cached chunk, or with `reread` from a
    /// chunk read again.
    fn node(
        &mut self,
        address: u64,
        reread: bool,
    ) -> Result<Option<[u8; OBJECT_BYTES]>, ReadError> {
        let base = address & !(CHUNK_SIZE - 1);
        let offset = (address - base) as usize;
        let mut found = [0; OBJECT_BYTES];
        let wanted = GcHead::SIZE as usize + self.offsets.pyobject.size as usize + 8;
        if offset + wanted <= CHUNK_SIZE as usize {
            let slot = (base / CHUNK_SIZE) as usize % CACHED_CHUNKS;
            let (known, bytes) = &mut self.chunks[slot];
            if *known != base || reread {
                bytes.resize(CHUNK_SIZE as usize, 0);
                *known = match self.memory.read(base, bytes) {
                    Ok(()) => base,
                    Err(error) if error.is_local() => u64::MAX,
                    Err(error) => return Err(error),
                };
            }
            if *known == base {
                let part = bytes.get(offset..).unwrap_or_default();
                let len = part.len().min(OBJECT_BYTES);
                found[..len].copy_from_slice(&part[..len]);
                return Ok(Some(found));
            }
        }
        match self.memory.read(address, &mut found[..wanted.min(OBJECT_BYTES)]) {
            Ok(()) => Ok(Some(found)),
            Err(error) if error.is_local() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
