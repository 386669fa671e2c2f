//! Builds with a GIL: the objects the collector knows, which hang in its lists of generations.

use super::gc_list::{Seen, Walk};
use super::type_histogram::Census;
use super::{Error, Look, Watch};
use crate::layout::Collections;
use crate::memory::{Memory, ReadError, half};
use crate::python::{Interpreter, Python};
use cpython_layout::structures::GcStats;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Rounds through the lists, until the collector was at rest during one.
const ROUNDS: usize = 5;
/// Longest wait for a collection to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts the objects in the collector's lists.
///
/// # Errors
/// The lists are not where they are in any known version; the process ended or may not be read any
/// more.
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
                let mut walk =
                    Walk::new(collector.memory, python.offsets(), &mut seen, &heads, head);
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
        let layout = self.python.layout();
        let Some(lists) = layout.collector.lists else {
            let missing =
                layout.missing.iter().find(|missing| missing.what.contains("lists of objects"));
            let why = missing.map_or("its collector's lists are not known", |missing| &missing.why);
            return Err(Error::Collector(why.into()));
        };
        Ok(lists.map(|at| self.state.saturating_add(at)).to_vec())
    }

    fn collecting(&self) -> Result<bool, ReadError> {
        let bytes = self
            .memory
            .bytes::<4>(self.state.saturating_add(self.python.offsets().gc.collecting))?;
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
        match self.python.layout().collector.collections {
            Some(Collections::Timed { at, size, .. }) => {
                let statistics = self.memory.u64(self.state.saturating_add(at))?;
                self.memory.vec(statistics, size, 1 << 16)
            }
            Some(Collections::Counted { at }) => self.memory.vec(
                self.state.saturating_add(at),
                GcStats::COUNTS,
                GcStats::COUNTS as usize,
            ),
            None => Ok(Vec::new()),
        }
    }
}
