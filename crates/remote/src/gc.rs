//! The collector: whether it collects now, what it has done, and each of its pauses as far as the
//! build keeps them.
//!
//! 3.13 and 3.14 keep three counts a generation, inside the interpreter. 3.15 keeps a ring of
//! collections a generation, with when each began and ended, behind a pointer (`struct gc_stats` in
//! `pycore_interp_structs.h`); its counts and its `duration` go on from entry to entry, so that
//! time is exact even where entries were overwritten between two looks.

use crate::layout::{Collections as Place, Ring};
use crate::memory::{Memory, Piece, ReadError, word};
use crate::python::{Interpreter, Python};
use cpython_layout::structures::GcStats;
use serde::Serialize;

/// Generations there are.
pub const GENERATIONS: usize = 3;
/// Bytes of the counts.
const INLINE: usize = GcStats::COUNTS as usize;
/// No collection lasts a year, and no clock of ours reads more.
const MOST_SECONDS: f64 = 3.2e7;

/// One collection that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Collection {
    /// 0 the youngest.
    pub generation: u8,
    /// Which one of its generation this was, counted from the start of the interpreter.
    pub number: u64,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub started_ns: u64,
    /// The same clock.
    pub stopped_ns: u64,
    /// Objects it freed.
    pub collected: u64,
}

/// What a generation has done since the interpreter started; `gc.get_stats()` gives the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Generation {
    /// Collections.
    pub collections: u64,
    /// Objects freed.
    pub collected: u64,
    /// Objects that could not be freed.
    pub uncollectable: u64,
    /// Seconds all its collections took, from 3.15 on.
    pub duration_s: Option<f64>,
}

/// The collector of one interpreter as one look found it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Collector {
    /// It collects at this moment.
    pub collecting: bool,
    /// The youngest first. `None` where the counts changed while they were read, twice.
    pub generations: Option<[Generation; GENERATIONS]>,
    /// The collections whose times the build still has, in no order. Empty before 3.15.
    pub recent: Vec<Collection>,
}

impl Collector {
    /// Reads the collector whose `struct _gc_runtime_state` is at `state`.
    ///
    /// # Errors
    /// The interpreter is not there (any more), or the process ended.
    pub fn read(
        memory: &dyn Memory,
        state: u64,
        collecting: u64,
        place: Option<&Place>,
    ) -> Result<Collector, ReadError> {
        // What there is besides: the counts, or where the rings are.
        let (besides, len) = match place {
            None => (state, 0),
            Some(Place::Counted { at }) => (state.saturating_add(*at), INLINE),
            Some(Place::Timed { at, .. }) => (state.saturating_add(*at), 8),
        };
        let (mut collects, mut bytes) = ([0; 4], [0; INLINE]);
        let address = state.saturating_add(collecting);
        whole(memory, &mut [(address, &mut collects), (besides, &mut bytes[..len])])?;
        let mut found = Collector { collecting: collects != [0; 4], ..Collector::default() };
        match place {
            None => {}
            Some(Place::Counted { .. }) => found.generations = inline(&bytes),
            Some(Place::Timed { rings, size, .. }) => {
                let (at, size) =
                    (word(&bytes, 0), usize::try_from(*size).unwrap_or(usize::MAX).min(4096));
                let mut twice = vec![0; size * 2];
                for _attempt in 0..2 {
                    let (before, after) = twice.split_at_mut(size);
                    whole(memory, &mut [(at, &mut *before), (at, &mut *after)])?;
                    if before == after {
                        found.of_rings(before, rings);
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Seconds of all collections so far; `None` before 3.15.
    #[must_use]
    pub fn duration_s(&self) -> Option<f64> {
        self.generations?.iter().map(|generation| generation.duration_s).sum()
    }

    /// Collections of all generations so far.
    #[must_use]
    pub fn collections(&self) -> Option<u64> {
        Some(
            self.generations?
                .iter()
                .fold(0, |sum, generation| sum.saturating_add(generation.collections)),
        )
    }

    fn of_rings(&mut self, bytes: &[u8], rings: &[Ring; GENERATIONS]) {
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
                        duration_s: (0.0..MOST_SECONDS).contains(&duration).then_some(duration),
                    };
                }
            }
        }
        self.generations = Some(generations);
    }
}

/// Fills all of these, in their order, in one call.
fn whole(memory: &dyn Memory, wanted: &mut [(u64, &mut [u8])]) -> Result<(), ReadError> {
    let mut pieces: Vec<Piece<'_>> =
        wanted.iter_mut().map(|(address, into)| Piece { address: *address, into }).collect();
    let (all, read) = (pieces.len(), memory.read_many(&mut pieces)?);
    if read == all { Ok(()) } else { Err(ReadError::Unmapped(wanted[read].0)) }
}

/// Three words a generation. A count that is negative or absurd is not one.
fn inline(bytes: &[u8]) -> Option<[Generation; GENERATIONS]> {
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
    /// The collector of an interpreter.
    ///
    /// # Errors
    /// The interpreter is not there (any more), or the process ended.
    pub fn collector(&self, interpreter: Interpreter) -> Result<Collector, ReadError> {
        let offsets = self.offsets();
        let state = interpreter.address.saturating_add(offsets.interpreter_state.gc);
        let place = self.layout().collector.collections.as_ref();
        Collector::read(self.memory(), state, offsets.gc.collecting, place)
    }
}

/// The collector over time: what is new at each look, and how long it paused the program.
#[derive(Debug, Clone, Default)]
pub struct CollectorWatch {
    last: Option<Collector>,
    last_ns: u64,
    spell: Option<u64>,
    /// What has been seen since the first look.
    pub seen: Collections,
}

/// Collections between two looks, or since the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Collections {
    /// Collections that ended, by generation.
    pub count: [u64; GENERATIONS],
    /// Objects freed.
    pub collected: u64,
    /// Seconds they took: from the interpreter's own clock where it keeps one, else the share of
    /// looks that found it collecting, times the time they stand for.
    pub seconds: f64,
    /// `seconds` is the interpreter's own figure.
    pub exact: bool,
    /// The longest one whose length is known, in seconds. Sampled: the longest unbroken run of
    /// looks.
    pub longest_s: f64,
    /// Collections whose own times were overwritten before a look came by. Their sum is in
    /// `seconds` all the same.
    pub lost: u64,
}

impl CollectorWatch {
    /// Takes in a look at `now_ns` (`CLOCK_MONOTONIC`); the first sets the beginning. Gives what is
    /// new.
    pub fn look(&mut self, now_ns: u64, found: Collector) -> Collections {
        let mut new = Collections::default();
        if let Some(last) = &self.last {
            let gap_s = now_ns.saturating_sub(self.last_ns) as f64 / 1e9;
            // A look that could not read the counts keeps those before it, and the next has both
            // looks' news.
            if let Some((then, now)) = last.generations.zip(found.generations) {
                new = difference(new, &then, &now, last, &found);
            }
            if !found.collecting || new.total() > 0 {
                self.spell = None;
            }
            if found.collecting && !new.exact {
                let since = *self.spell.get_or_insert(self.last_ns);
                new.longest_s = now_ns.saturating_sub(since) as f64 / 1e9;
            }
            if !new.exact {
                new.seconds = if found.collecting { gap_s } else { 0.0 };
            }
        }
        self.seen = self.seen.plus(&new);
        let generations =
            found.generations.or(self.last.as_ref().and_then(|last| last.generations));
        self.last = Some(Collector { generations, ..found });
        self.last_ns = now_ns;
        new
    }

    /// The last look.
    #[must_use]
    pub fn last(&self) -> Option<&Collector> {
        self.last.as_ref()
    }
}

fn difference(
    mut new: Collections,
    then: &[Generation; GENERATIONS],
    now: &[Generation; GENERATIONS],
    last: &Collector,
    found: &Collector,
) -> Collections {
    for (index, (then, now)) in then.iter().zip(now).enumerate() {
        new.count[index] = now.collections.saturating_sub(then.collections);
        new.collected = new.collected.saturating_add(now.collected.saturating_sub(then.collected));
        let fresh = |collection: &&Collection| {
            usize::from(collection.generation) == index && collection.number > then.collections
        };
        let fresh: Vec<&Collection> = found.recent.iter().filter(fresh).collect();
        if found.duration_s().is_some() {
            new.lost = new.lost.saturating_add(new.count[index].saturating_sub(fresh.len() as u64));
        }
        for collection in fresh {
            let length = (collection.stopped_ns - collection.started_ns) as f64 / 1e9;
            new.longest_s = new.longest_s.max(length);
        }
    }
    if let Some((then, now)) = last.duration_s().zip(found.duration_s()) {
        new.seconds = (now - then).max(0.0);
        new.exact = true;
    }
    new
}

impl Collections {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Collections) -> Collections {
        let mut count = self.count;
        count.iter_mut().zip(other.count).for_each(|(a, b)| *a = a.saturating_add(b));
        Collections {
            count,
            collected: self.collected.saturating_add(other.collected),
            seconds: self.seconds + other.seconds,
            exact: self.exact || other.exact,
            longest_s: self.longest_s.max(other.longest_s),
            lost: self.lost.saturating_add(other.lost),
        }
    }

    /// Of all generations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.count.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

#[cfg(test)]
mod tests;
