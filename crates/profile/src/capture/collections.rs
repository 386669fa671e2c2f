//! Collections as the interpreter itself timed them (3.15 and later): to the nanosecond, and also
//! those between two looks.
//!
//! It keeps the last few of each generation, eleven or one of the youngest, so they are fetched
//! every few milliseconds and whenever a collection was seen to end. What was overwritten before
//! that is counted.

use crate::Builder;
use crate::model::PauseKind;
use rustc_hash::FxHashMap;
use ungil_remote::gc::{Collection, CollectorState, GENERATIONS};
use ungil_remote::sample::Sampler;

/// The time between two looks at the rings, in nanoseconds.
const EVERY_NS: u64 = 5_000_000;
/// Times further from ours than this are another clock's, as in another time namespace.
const STRANGE_NS: u64 = 3_600_000_000_000;

/// The collections of one process.
#[derive(Debug)]
pub(super) struct Timed {
    /// `CLOCK_MONOTONIC` at the beginning of the capture.
    zero_ns: u64,
    next_ns: u64,
    /// Of each interpreter the number of the last collection of each generation.
    last: FxHashMap<u64, [u64; GENERATIONS]>,
    /// Collections whose times were overwritten before they were read.
    pub(super) lost: u64,
    /// The build keeps times, and they are of a clock that we have.
    is_kept: bool,
}

impl Timed {
    pub(super) fn new(at_ns: u64) -> Timed {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
        let now = now.saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0));
        let (last, zero_ns) = (FxHashMap::default(), now.saturating_sub(at_ns));
        Timed { zero_ns, next_ns: 0, last, lost: 0, is_kept: true }
    }

    /// Hands on the collections that have ended since the last look, if it is time or one
    /// `has_ended`. Tells whether this is how they are known; otherwise they are known from being
    /// seen.
    pub(super) fn look(
        &mut self,
        looker: &Sampler,
        pid: u32,
        at_ns: u64,
        has_ended: bool,
        builder: &mut Builder,
    ) -> bool {
        if !self.is_kept || at_ns < self.next_ns && !has_ended {
            return self.is_kept;
        }
        self.next_ns = at_ns.saturating_add(EVERY_NS);
        for interpreter in looker.interpreters() {
            match looker.python().collector(interpreter) {
                Ok(found) if found.generations.is_some() && found.duration_s().is_none() => {
                    self.is_kept = false
                }
                Ok(found) => self.take(interpreter.address, &found, pid, at_ns, builder),
                Err(_) => {}
            }
        }
        self.is_kept
    }

    fn take(
        &mut self,
        interpreter: u64,
        found: &CollectorState,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        let Some(generations) = &found.generations else { return };
        let now = generations.map(|generation| generation.collections);
        let Some(last) = self.last.insert(interpreter, now) else { return };
        let is_new = |collection: &&Collection| {
            last.get(usize::from(collection.generation))
                .is_some_and(|&last| collection.number > last)
        };
        let (mut seen, end) = (0, self.zero_ns.saturating_add(at_ns));
        for collection in found.recent.iter().filter(is_new) {
            if collection.stopped_ns.abs_diff(end) > STRANGE_NS {
                self.is_kept = false;
                return;
            }
            seen += 1;
            let start_ns = collection.started_ns.saturating_sub(self.zero_ns);
            let long =
                collection.stopped_ns.saturating_sub(collection.started_ns.max(self.zero_ns));
            let detail = format!("generation {}", collection.generation);
            builder.pause(pid, PauseKind::Collection, start_ns, long, &detail);
        }
        let all: u64 = now.iter().zip(last).map(|(now, last)| now.saturating_sub(last)).sum();
        self.lost = self.lost.saturating_add(all.saturating_sub(seen));
    }
}
