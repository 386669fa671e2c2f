//! Builds with the GIL: counts the objects in the collector's generation lists.

use super::gc_list::{AddressSet, ListWalk};
use super::type_histogram::TypeHistogram;
use super::{HeapError, SurveyMonitor, SurveyQuality};
use crate::layout::StatsLocation;
use crate::memory::{Memory, ReadError, half};
use crate::python::{Interpreter, Python};
use cpython_layout::structures::GcStats;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum number of passes over the lists; repeated until no collection ran during one.
const MAX_PASSES: usize = 5;
/// Maximum time to wait for a collection to end.
const COLLECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts the objects in the collector's lists.
///
/// # Errors
/// The lists are not at a known offset; the process ended or may no longer be read.
pub(crate) fn survey(
    python: &Python,
    interpreters: &[Interpreter],
    histogram: &mut TypeHistogram<'_>,
    watch: &mut SurveyMonitor<'_>,
) -> Result<SurveyQuality, HeapError> {
    let mut look = SurveyQuality::default();
    let mut seen = AddressSet::default();
    for (done, interpreter) in interpreters.iter().enumerate() {
        let collector = CollectorLists {
            memory: python.memory(),
            state: interpreter.address.saturating_add(python.offsets().interpreter_state.gc),
            python,
        };
        let heads = collector.heads()?;
        let mut quiet = false;
        for round in 0..MAX_PASSES {
            collector.wait()?;
            let before = collector.activity()?;
            // Younger generations first: an object that is promoted meanwhile is seen again, and
            // counted once.
            for &head in &heads {
                let mut walk =
                    ListWalk::new(collector.memory, python.offsets(), &mut seen, &heads, head);
                let progress = (done as u64, interpreters.len() as u64);
                look.restarts += walk
                    .run(histogram, &mut |objects| watch.go_on(progress.0, progress.1, objects))?;
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

struct CollectorLists<'a> {
    memory: &'a dyn Memory,
    python: &'a Python,
    state: u64,
}

impl CollectorLists<'_> {
    /// Returns the addresses of the list heads, youngest generation first.
    fn heads(&self) -> Result<Vec<u64>, HeapError> {
        let layout = self.python.layout();
        let Some(lists) = layout.collector.lists else {
            let missing =
                layout.missing.iter().find(|missing| missing.what.contains("lists of objects"));
            let why = missing
                .map_or("the offsets of the collector's lists are unknown", |missing| &missing.why);
            return Err(HeapError::Collector(why.into()));
        };
        Ok(lists.map(|at| self.state.saturating_add(at)).to_vec())
    }

    fn collecting(&self) -> Result<bool, ReadError> {
        let bytes = self
            .memory
            .bytes::<4>(self.state.saturating_add(self.python.offsets().gc.collecting))?;
        Ok(half(&bytes, 0) != 0)
    }

    /// Waits until no collection is running, because a collection temporarily removes objects from
    /// the lists.
    fn wait(&self) -> Result<(), ReadError> {
        let begun = Instant::now();
        while self.collecting()? && begun.elapsed() < COLLECTION_TIMEOUT {
            sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Returns the collector's statistics, which every collection changes.
    fn activity(&self) -> Result<Vec<u8>, ReadError> {
        match self.python.layout().collector.collections {
            Some(StatsLocation::Timed { at, size, .. }) => {
                let statistics = self.memory.u64(self.state.saturating_add(at))?;
                self.memory.vec(statistics, size, 1 << 16)
            }
            Some(StatsLocation::Counted { at }) => self.memory.vec(
                self.state.saturating_add(at),
                GcStats::COUNTS,
                GcStats::COUNTS as usize,
            ),
            None => Ok(Vec::new()),
        }
    }
}
