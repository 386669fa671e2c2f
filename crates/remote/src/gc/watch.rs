//! Tracks the garbage collector over several looks.

use super::{Collection, CollectorState, GENERATIONS, Generation};
use serde::Serialize;

/// Tracks the collector over several looks: collections since the last look, and their durations.
#[derive(Debug, Clone, Default)]
pub struct CollectorWatch {
    last: Option<CollectorState>,
    last_ns: u64,
    collecting_since: Option<u64>,
    /// Totals since the first look.
    pub seen: CollectionTotals,
}

/// Collections between two looks, or since the first look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CollectionTotals {
    /// Number of finished collections, by generation.
    pub count: [u64; GENERATIONS],
    /// Number of objects freed.
    pub collected: u64,
    /// Total duration in seconds: from the interpreter's own statistics if available; otherwise the
    /// sum of the intervals whose look found the collector running.
    pub seconds: f64,
    /// Whether `seconds` is from the interpreter's own statistics.
    pub exact: bool,
    /// Longest collection of known duration, in seconds. If sampled: the longest uninterrupted run
    /// of looks that found the collector running.
    pub longest_s: f64,
    /// Number of collections whose times were overwritten before they were read. `seconds` includes
    /// them.
    pub lost: u64,
}

impl CollectorWatch {
    /// Adds a look at `now_ns` (`CLOCK_MONOTONIC`) and returns what is new since the last one. The
    /// first look only sets the baseline.
    pub fn look(&mut self, now_ns: u64, found: CollectorState) -> CollectionTotals {
        let mut new = CollectionTotals::default();
        if let Some(last) = &self.last {
            let gap_s = now_ns.saturating_sub(self.last_ns) as f64 / 1e9;
            // A look without counts keeps the previous ones; the next look then covers both
            // intervals.
            if let Some((then, now)) = last.generations.zip(found.generations) {
                new = difference(new, &then, &now, last, &found);
            }
            if !found.collecting || new.total() > 0 {
                self.collecting_since = None;
            }
            if found.collecting && !new.exact {
                let since = *self.collecting_since.get_or_insert(self.last_ns);
                new.longest_s = now_ns.saturating_sub(since) as f64 / 1e9;
            }
            if !new.exact {
                new.seconds = if found.collecting { gap_s } else { 0.0 };
            }
        }
        self.seen = self.seen.plus(&new);
        let generations =
            found.generations.or(self.last.as_ref().and_then(|last| last.generations));
        self.last = Some(CollectorState { generations, ..found });
        self.last_ns = now_ns;
        new
    }

    /// Returns the state at the last look.
    #[must_use]
    pub fn last(&self) -> Option<&CollectorState> {
        self.last.as_ref()
    }
}

fn difference(
    mut new: CollectionTotals,
    then: &[Generation; GENERATIONS],
    now: &[Generation; GENERATIONS],
    last: &CollectorState,
    found: &CollectorState,
) -> CollectionTotals {
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

impl CollectionTotals {
    /// Returns the sum of both.
    #[must_use]
    pub fn plus(&self, other: &CollectionTotals) -> CollectionTotals {
        let mut count = self.count;
        count.iter_mut().zip(other.count).for_each(|(a, b)| *a = a.saturating_add(b));
        CollectionTotals {
            count,
            collected: self.collected.saturating_add(other.collected),
            seconds: self.seconds + other.seconds,
            exact: self.exact || other.exact,
            longest_s: self.longest_s.max(other.longest_s),
            lost: self.lost.saturating_add(other.lost),
        }
    }

    /// Returns the number of collections of all generations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.count.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}
