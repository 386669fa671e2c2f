//! Garbage collections as timed by the interpreter itself (3.15 and later): exact to the
//! nanosecond, and including those between two looks.
//!
//! The interpreter keeps ring buffers of the last collections: eleven of the youngest generation or
//! one, depending on the build. They are read every few milliseconds and whenever a collection was
//! seen to end. Entries that were overwritten before they were read are counted.

use crate::Builder;
use crate::model::PauseKind;
use rustc_hash::FxHashMap;
use ungil_remote::gc::{Collection, CollectorState, GENERATIONS};
use ungil_remote::sample::Sampler;

/// Interval between two readings of the ring buffers, in nanoseconds.
const READ_INTERVAL_NS: u64 = 5_000_000;
/// Maximum difference from our clock, in nanoseconds. A larger one means another clock, for example
/// in another time namespace.
const MAX_CLOCK_SKEW_NS: u64 = 3_600_000_000_000;

/// Collection timings of one process.
#[derive(Debug)]
pub(super) struct CollectionTimings {
    /// `CLOCK_MONOTONIC` at the beginning of the capture.
    zero_ns: u64,
    next_ns: u64,
    /// For each interpreter, the number of the last collection of each generation.
    last: FxHashMap<u64, [u64; GENERATIONS]>,
    /// Collections whose timings were overwritten before they were read.
    pub(super) lost: u64,
    /// Whether the build keeps timings, in a clock that we share.
    is_available: bool,
}

impl CollectionTimings {
    pub(super) fn new(at_ns: u64) -> CollectionTimings {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
        let now = now.saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0));
        let (last, zero_ns) = (FxHashMap::default(), now.saturating_sub(at_ns));
        CollectionTimings { zero_ns, next_ns: 0, last, lost: 0, is_available: true }
    }

    /// Reports the collections that ended since the last reading, if a reading is due or a
    /// collection `has_ended`. Returns whether timings are available; otherwise collections are
    /// known only from being sampled.
    pub(super) fn read(
        &mut self,
        sampler: &Sampler,
        pid: u32,
        at_ns: u64,
        has_ended: bool,
        builder: &mut Builder,
    ) -> bool {
        if !self.is_available || at_ns < self.next_ns && !has_ended {
            return self.is_available;
        }
        self.next_ns = at_ns.saturating_add(READ_INTERVAL_NS);
        for interpreter in sampler.interpreters() {
            match sampler.python().collector(interpreter) {
                Ok(found) if found.generations.is_some() && found.duration_s().is_none() => {
                    self.is_available = false
                }
                Ok(found) => self.report(interpreter.address, &found, pid, at_ns, builder),
                Err(_) => {}
            }
        }
        self.is_available
    }

    fn report(
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
        let (mut reported, end) = (0, self.zero_ns.saturating_add(at_ns));
        for collection in found.recent.iter().filter(is_new) {
            if collection.stopped_ns.abs_diff(end) > MAX_CLOCK_SKEW_NS {
                self.is_available = false;
                return;
            }
            reported += 1;
            let start_ns = collection.started_ns.saturating_sub(self.zero_ns);
            let duration_ns =
                collection.stopped_ns.saturating_sub(collection.started_ns.max(self.zero_ns));
            let detail = format!("generation {}", collection.generation);
            builder.pause(pid, PauseKind::Collection, start_ns, duration_ns, &detail);
        }
        let all: u64 = now.iter().zip(last).map(|(now, last)| now.saturating_sub(last)).sum();
        self.lost = self.lost.saturating_add(all.saturating_sub(reported));
    }
}
