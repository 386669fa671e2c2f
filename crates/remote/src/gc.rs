//! Garbage collector: whether it is collecting, its statistics, and the times of recent
//! collections.
//!
//! 3.13 and 3.14 keep three counts per generation inside the interpreter. 3.15 keeps a ring buffer
//! of collections per generation, with start and stop times, behind a pointer (`struct gc_stats` in
//! `pycore_interp_structs.h`). Its counts and `duration` are cumulative, so the total time is exact
//! even if entries were overwritten between two looks.

mod watch;

pub use watch::{CollectionTotals, CollectorWatch};

use crate::layout::{StatsLocation, StatsRing};
use crate::memory::{Memory, Piece, ReadError, word};
use crate::python::{Interpreter, Python};
use cpython_layout::structures::GcStats;
use serde::Serialize;

/// Number of generations.
pub const GENERATIONS: usize = 3;
/// Size of the counts in bytes.
const COUNTS_SIZE: usize = GcStats::COUNTS as usize;
/// Upper bound for a plausible duration: a year.
const MAX_SECONDS: f64 = 3.2e7;

/// A finished collection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Collection {
    /// Generation; 0 is the youngest.
    pub generation: u8,
    /// Number of this collection within its generation, counted from the interpreter's start.
    pub number: u64,
    /// Start time, `CLOCK_MONOTONIC` in nanoseconds.
    pub started_ns: u64,
    /// Stop time, same clock.
    pub stopped_ns: u64,
    /// Number of objects freed.
    pub collected: u64,
}

/// Statistics of a generation since the interpreter's start, as in `gc.get_stats()`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Generation {
    /// Number of collections.
    pub collections: u64,
    /// Number of objects freed.
    pub collected: u64,
    /// Number of uncollectable objects.
    pub uncollectable: u64,
    /// Total duration in seconds; from 3.15 on.
    pub duration_s: Option<f64>,
}

/// State of an interpreter's collector.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CollectorState {
    /// Whether a collection is running.
    pub collecting: bool,
    /// Statistics by generation, youngest first. `None` if they changed while being read, twice.
    pub generations: Option<[Generation; GENERATIONS]>,
    /// Recent collections, in no particular order. Empty before 3.15.
    pub recent: Vec<Collection>,
}

impl CollectorState {
    /// Reads the collector whose `struct _gc_runtime_state` is at `state`.
    ///
    /// # Errors
    /// The interpreter no longer exists, or the process ended.
    pub fn read(
        memory: &dyn Memory,
        state: u64,
        collecting: u64,
        location: Option<&StatsLocation>,
    ) -> Result<CollectorState, ReadError> {
        // The counts, or the pointer to the rings.
        let (stats, len) = match location {
            None => (state, 0),
            Some(StatsLocation::Counted { at }) => (state.saturating_add(*at), COUNTS_SIZE),
            Some(StatsLocation::Timed { at, .. }) => (state.saturating_add(*at), 8),
        };
        let (mut collects, mut bytes) = ([0; 4], [0; COUNTS_SIZE]);
        let address = state.saturating_add(collecting);
        read_all(memory, &mut [(address, &mut collects), (stats, &mut bytes[..len])])?;
        let mut found =
            CollectorState { collecting: collects != [0; 4], ..CollectorState::default() };
        match location {
            None => {}
            Some(StatsLocation::Counted { .. }) => found.generations = parse_counts(&bytes),
            Some(StatsLocation::Timed { rings, size, .. }) => {
                let (at, size) =
                    (word(&bytes, 0), usize::try_from(*size).unwrap_or(usize::MAX).min(4096));
                let mut twice = vec![0; size * 2];
                for _attempt in 0..2 {
                    let (before, after) = twice.split_at_mut(size);
                    read_all(memory, &mut [(at, &mut *before), (at, &mut *after)])?;
                    if before == after {
                        found.parse_rings(before, rings);
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Returns the total duration of all collections in seconds; `None` before 3.15.
    #[must_use]
    pub fn duration_s(&self) -> Option<f64> {
        self.generations?.iter().map(|generation| generation.duration_s).sum()
    }

    /// Returns the total number of collections.
    #[must_use]
    pub fn collections(&self) -> Option<u64> {
        Some(
            self.generations?
                .iter()
                .fold(0, |sum, generation| sum.saturating_add(generation.collections)),
        )
    }

    fn parse_rings(&mut self, bytes: &[u8], rings: &[StatsRing; GENERATIONS]) {
        let mut generations = [Generation::default(); GENERATIONS];
        for (generation, ring) in rings.iter().enumerate() {
            let current = bytes.get(ring.index as usize).copied().map_or(u64::MAX, u64::from);
            for entry in 0..ring.len {
                let at = |field: u64| {
                    word(bytes, (ring.first + entry * GcStats::ENTRY + field * 8) as usize)
                };
                let (started_ns, stopped_ns, number, collected) = (at(0), at(1), at(2), at(3));
                if started_ns != 0 && stopped_ns >= started_ns && number > 0 {
                    let generation = generation as u8;
                    self.recent.push(Collection {
                        generation,
                        number,
                        started_ns,
                        stopped_ns,
                        collected,
                    });
                }
                if entry == current {
                    let duration = f64::from_bits(at(6));
                    generations[generation] = Generation {
                        collections: number,
                        collected,
                        uncollectable: at(4),
                        duration_s: (0.0..MAX_SECONDS).contains(&duration).then_some(duration),
                    };
                }
            }
        }
        self.generations = Some(generations);
    }
}

/// Fills all buffers, in order, with one call.
fn read_all(memory: &dyn Memory, wanted: &mut [(u64, &mut [u8])]) -> Result<(), ReadError> {
    let mut pieces: Vec<Piece<'_>> =
        wanted.iter_mut().map(|(address, into)| Piece { address: *address, into }).collect();
    let (all, read) = (pieces.len(), memory.read_many(&mut pieces)?);
    if read == all { Ok(()) } else { Err(ReadError::Unmapped(wanted[read].0)) }
}

/// Parses three words per generation. Returns `None` if a count is negative.
fn parse_counts(bytes: &[u8]) -> Option<[Generation; GENERATIONS]> {
    let mut generations = [Generation::default(); GENERATIONS];
    for (index, generation) in generations.iter_mut().enumerate() {
        let at = |field: usize| word(bytes, (index * 3 + field) * 8);
        let words = [at(0), at(1), at(2)];
        if words.iter().any(|&count| count > i64::MAX.unsigned_abs()) {
            return None;
        }
        let [collections, collected, uncollectable] = words;
        *generation = Generation { collections, collected, uncollectable, duration_s: None };
    }
    Some(generations)
}

impl Python {
    /// Reads the collector of an interpreter.
    ///
    /// # Errors
    /// The interpreter no longer exists, or the process ended.
    pub fn collector(&self, interpreter: Interpreter) -> Result<CollectorState, ReadError> {
        let offsets = self.offsets();
        let state = interpreter.address.saturating_add(offsets.interpreter_state.gc);
        let location = self.layout().collector.collections.as_ref();
        CollectorState::read(self.memory(), state, offsets.gc.collecting, location)
    }
}

#[cfg(test)]
mod tests;
