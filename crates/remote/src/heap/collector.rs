//! Builds with a GIL: the objects the collector knows, which hang in its lists of generations.
//!
//! The lists' heads are found in the collector's state by what they are: a list head's neighbours point back to it. That
//! holds for every version and needs no table.

use super::census::Census;
use super::list::{Seen, Walk};
use super::{Error, Look, Watch};
use crate::memory::{Memory, ReadError, half, word};
use crate::python::{Interpreter, Python};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Three generations and what `gc.freeze()` put aside.
const LISTS: usize = 4;
/// Times the heads are looked for: a busy program may change a list while its head is checked.
const LOOKS: usize = 200;
/// Rounds through the lists, until the collector was at rest during one.
const ROUNDS: usize = 5;
/// Longest wait for a collection to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// 3 x {collections, collected, uncollectable} before `collecting` (pycore_gc.h, 3.13 and 3.14).
const STATISTICS: u64 = 72;

/// Counts the objects in the collector's lists.
///
/// # Errors
/// The lists are not where they are in any known version; the process ended or may not be read any more.
pub(crate) fn survey(
    python: &Python,
    interpreters: &[Interpreter],
    census: &mut Census<'_>,
    watch: &mut Watch<'_>,
) -> Result<Look, Error> {
    let mut look = Look::default();
    let mut seen = Seen::default();
    for (done, interpreter) in interpreters.iter().enumerate() {
        let collector = Collector {
            memory: python.memory(),
            state: interpreter.address.saturating_add(python.offsets().interpreter_state.gc),
            python,
        };
        let heads = collector.heads()?;
        let mut quiet = false;
        for round in 0..ROUNDS {
            collector.wait()?;
            let before = collector.activity()?;
            // Younger first: an object that grows older meanwhile is met again and counted once.
            for &head in &heads {
                let mut walk = Walk::new(collector.memory, python.offsets(), &mut seen, &heads, head);
                let progress = (done as u64, interpreters.len() as u64);
                look.restarts +=
                    walk.run(census, &mut |objects| watch.go_on(progress.0, progress.1, objects))?;
                look.cut_short |= walk.stopped;
                look.torn += u64::from(walk.torn);
            }
            quiet = collector.activity()? == before && !collector.collecting()?;
            if quiet || look.cut_short {
                break;
            }
            look.rounds = round as u64 + 1;
        }
        look.unquiet |= !quiet && !look.cut_short;
    }
    Ok(look)
}

struct Collector<'a> {
    memory: &'a dyn Memory,
    python: &'a Python,
    state: u64,
}

impl Collector<'_> {
    /// The addresses of the lists' heads, youngest generation first.
    fn heads(&self) -> Result<Vec<u64>, Error> {
        let size = self.python.offsets().gc.size;
        let mut most = 0;
        for _ in 0..LOOKS {
            self.wait()?;
            let bytes = self.memory.vec(self.state, size, 1 << 12)?;
            let mut found = Vec::new();
            for offset in (0..size.saturating_sub(15)).step_by(8) {
                let head = self.state + offset;
                let (next, previous) =
                    (word(&bytes, offset as usize), word(&bytes, offset as usize + 8) & !3);
                let own = next == head && previous == head;
                if own || self.points_back(head, next & !3, previous)? {
                    found.push(head);
                }
            }
            if found.len() == LISTS {
                return Ok(found);
            }
            most = most.max(found.len());
        }
        Err(Error::Collector(format!("{most} of the {LISTS} lists of its collector were found")))
    }

    fn points_back(&self, head: u64, next: u64, previous: u64) -> Result<bool, ReadError> {
        let at = |address: u64| match self.memory.u64(address) {
            Ok(found) => Ok(found & !3),
            Err(ReadError::Unmapped(_)) => Ok(0),
            Err(error) => Err(error),
        };
        let set = next != 0 && previous != 0 && next != head && previous != head;
        Ok(set && at(next.saturating_add(8))? == head && at(previous)? == head)
    }

    fn collecting(&self) -> Result<bool, ReadError> {
        let bytes = self.memory.bytes::<4>(self.state.saturating_add(self.python.offsets().gc.collecting))?;
        Ok(half(&bytes, 0) != 0)
    }

    /// Waits until no collection runs: it takes objects out of the lists for a while.
    fn wait(&self) -> Result<(), ReadError> {
        let begun = Instant::now();
        while self.collecting()? && begun.elapsed() < PATIENCE {
            sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// The collector's statistics, which every collection changes.
    fn activity(&self) -> Result<Vec<u8>, ReadError> {
        let gc = self.python.offsets().gc;
        match (gc.generation_stats, gc.generation_stats_size) {
            (Some(pointer), Some(size)) => {
                let at = self.memory.u64(self.state.saturating_add(pointer))?;
                self.memory.vec(at, size, 1 << 16)
            }
            _ => {
                let at = self.state.saturating_add(gc.collecting).saturating_sub(STATISTICS);
                self.memory.vec(at, STATISTICS, STATISTICS as usize)
            }
        }
    }
}
