//! One of the collector's lists, walked while the program changes it.
//!
//! A list of millions cannot be read one system call an object, so memory is read in chunks, and
//! what a chunk says may be old. An object is believed when it points back to the one it was
//! reached from. Where it does not, both are read anew; where the list has moved on, the walk goes
//! back to the last object that is still in a list, and goes on from there. Each object counts
//! once, however often it is met.

use super::type_histogram::Census;
use crate::memory::{Memory, ReadError, word};
use cpython_layout::DebugOffsets;
use cpython_layout::structures::GcHead;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Bytes read together; objects made one after another are neighbours.
const CHUNK: u64 = 4096;
/// Chunks kept; a power of two.
const CHUNKS: usize = 256;
/// What is read of an object: the collector's head, its own head, its length.
const NEEDED: usize = 48;
/// Objects the walk can go back.
const TRAIL: usize = 4096;
/// Times it goes back to the start of its list.
const RESTARTS: u64 = 16;
/// Times it goes back on its trail in all.
const STUMBLES: u64 = 100_000;
/// Objects between two reports.
const REPORT: u64 = 1 << 16;

/// Chunks of 64 KiB with objects that are remembered: 64 GiB of them, for which this needs half a
/// GiB.
const MOST_CHUNKS: usize = 1 << 20;

/// Which addresses were met: a bit for every 16 bytes, by chunks of 64 KiB.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    chunks: FxHashMap<u64, Box<[u64; 64]>>,
    /// How many.
    pub(crate) count: u64,
}

impl Seen {
    /// There is no room for more.
    fn is_full(&self) -> bool {
        self.chunks.len() >= MOST_CHUNKS
    }

    /// True the first time.
    fn insert(&mut self, address: u64) -> bool {
        let bits = self.chunks.entry(address >> 16).or_insert_with(|| Box::new([0; 64]));
        let index = (address >> 4 & 0xFFF) as usize;
        let (place, bit) = (&mut bits[index / 64], 1 << (index % 64));
        let new = *place & bit == 0;
        *place |= bit;
        self.count += u64::from(new);
        new
    }
}

/// A walk through one list.
pub(crate) struct Walk<'a> {
    memory: &'a dyn Memory,
    offsets: &'a DebugOffsets,
    seen: &'a mut Seen,
    heads: &'a [u64],
    head: u64,
    chunks: Vec<(u64, Vec<u8>)>,
    trail: VecDeque<u64>,
    /// The list could not be walked to its end.
    pub(crate) torn: bool,
    /// It was stopped.
    pub(crate) stopped: bool,
}

impl<'a> Walk<'a> {
    /// Prepares a walk from `head`; any of `heads` ends it.
    pub(crate) fn new(
        memory: &'a dyn Memory,
        offsets: &'a DebugOffsets,
        seen: &'a mut Seen,
        heads: &'a [u64],
        head: u64,
    ) -> Walk<'a> {
        let chunks = vec![(u64::MAX, Vec::new()); CHUNKS];
        Walk {
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

    /// Walks, and gives the number of times it had to begin anew.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub(crate) fn run(
        &mut self,
        census: &mut Census<'_>,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<u64, ReadError> {
        let (mut restarts, mut stumbles, mut steps, mut old) = (0, 0, 0_u64, 0);
        let mut here = self.head;
        let mut next = self.fresh(here)?.map_or(here, |links| links.0);
        loop {
            if self.heads.contains(&next) {
                if next == self.head || restarts >= RESTARTS {
                    break;
                }
                // The objects were moved to another list under the walk: what is left of its own is
                // still to be seen.
                restarts += 1;
                (here, next) =
                    (self.head, self.fresh(self.head)?.map_or(self.head, |links| links.0));
                continue;
            }
            steps += 1;
            if steps % REPORT == 0 && !go_on(self.seen.count) || self.seen.is_full() {
                self.stopped = true;
                break;
            }
            if let Some((after, bytes)) = self.step(here, next)? {
                old += 1;
                if self.seen.insert(next) {
                    old = 0;
                    census.add_sized(bytes.get(GcHead::SIZE as usize..).unwrap_or_default());
                }
                if old > self.seen.count {
                    // More than a whole walk and nothing new: what is linked here is a ring without
                    // its head.
                    self.torn = true;
                    break;
                }
                if self.trail.len() == TRAIL {
                    self.trail.pop_front();
                }
                self.trail.push_back(next);
                (here, next) = (next, after);
                continue;
            }
            stumbles += 1;
            if stumbles > STUMBLES {
                self.torn = true;
                break;
            }
            (here, next) = match self.back()? {
                Some(found) => found,
                None if restarts < RESTARTS => {
                    restarts += 1;
                    (self.head, self.fresh(self.head)?.map_or(self.head, |links| links.0))
                }
                None => {
                    self.torn = true;
                    break;
                }
            };
        }
        Ok(restarts)
    }

    /// The object after `next`, and the bytes of `next`, if it points back to `here`.
    fn step(&mut self, here: u64, next: u64) -> Result<Option<(u64, [u8; NEEDED])>, ReadError> {
        for anew in [false, true] {
            let Some(bytes) = self.node(next, anew)? else { return Ok(None) };
            if word(&bytes, 8) & !GcHead::FLAGS == here {
                let after = word(&bytes, 0) & !GcHead::FLAGS;
                // A chunk may be from before the next object was linked in.
                if anew || !self.heads.contains(&after) {
                    return Ok(Some((after, bytes)));
                }
            }
        }
        Ok(None)
    }

    /// The last object of the trail that is still in a list, and the one after it.
    fn back(&mut self) -> Result<Option<(u64, u64)>, ReadError> {
        while let Some(place) = self.trail.pop_back() {
            if let Some((next, previous)) = self.fresh(place)?
                && self.fresh(next)?.is_some_and(|links| links.1 == place)
                && self.fresh(previous)?.is_some_and(|links| links.0 == place)
            {
                self.trail.push_back(place);
                return Ok(Some((place, next)));
            }
        }
        Ok(None)
    }

    /// Both links of the object at `address`, as they are now.
    fn fresh(&self, address: u64) -> Result<Option<(u64, u64)>, ReadError> {
        match self.memory.bytes::<16>(address) {
            Ok(bytes) => {
                Ok(Some((word(&bytes, 0) & !GcHead::FLAGS, word(&bytes, 8) & !GcHead::FLAGS)))
            }
            Err(error) if error.is_local() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object at `address`: from its chunk, or `anew` with its chunk.
    fn node(&mut self, address: u64, anew: bool) -> Result<Option<[u8; NEEDED]>, ReadError> {
        let base = address & !(CHUNK - 1);
        let offset = (address - base) as usize;
        let mut found = [0; NEEDED];
        let wanted = GcHead::SIZE as usize + self.offsets.pyobject.size as usize + 8;
        if offset + wanted <= CHUNK as usize {
            let slot = (base / CHUNK) as usize % CHUNKS;
            let (known, bytes) = &mut self.chunks[slot];
            if *known != base || anew {
                bytes.resize(CHUNK as usize, 0);
                *known = match self.memory.read(base, bytes) {
                    Ok(()) => base,
                    Err(error) if error.is_local() => u64::MAX,
                    Err(error) => return Err(error),
                };
            }
            if *known == base {
                let part = bytes.get(offset..).unwrap_or_default();
                let len = part.len().min(NEEDED);
                found[..len].copy_from_slice(&part[..len]);
                return Ok(Some(found));
            }
        }
        match self.memory.read(address, &mut found[..wanted.min(NEEDED)]) {
            Ok(()) => Ok(Some(found)),
            Err(error) if error.is_local() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
