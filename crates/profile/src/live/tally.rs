//! Sums of looks: time by thread and state, by line, and by contended object.
//!
//! A look stands for the time since the previous look. The number of lines and objects is bounded,
//! so that a program that creates code without end does not make the monitor grow. Time at keys
//! beyond the bound is counted in [`Tally::dropped_s`].

use super::look::Look;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::frames::CodeLine;
use ungil_remote::gc::CollectionTotals;
use ungil_remote::stop_the_world::Pauses;
use ungil_remote::{ThreadState, WaitTarget};

/// Maximum number of threads, of lines, and of objects.
const MAX_KEYS: usize = 1 << 14;

/// Seconds by [`ThreadState`].
pub type StateSeconds = [f64; ThreadState::ALL.len()];

/// An object that threads waited for.
#[derive(Debug, Clone)]
pub struct ContendedObject {
    /// The kind of object.
    pub target: WaitTarget,
    /// Thread-seconds spent waiting for it.
    pub wait_s: f64,
    /// Most threads seen waiting for it at once.
    pub most_waiters: u32,
    /// The line with most of the waiting, and its weight: the majority element of a stream (Boyer
    /// and Moore's algorithm).
    pub line: Option<(Arc<CodeLine>, f64)>,
}

/// Sums of looks.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub looks: u64,
    /// Stacks that changed while they were read.
    pub torn: u64,
    /// Seconds that the looks stand for.
    pub seconds: f64,
    /// Time by kernel thread id.
    pub threads: FxHashMap<u32, StateSeconds>,
    /// Time by line.
    pub lines: FxHashMap<Arc<CodeLine>, StateSeconds>,
    /// Waiting by the object's address.
    pub objects: FxHashMap<u64, ContendedObject>,
    /// Thread-seconds at threads, lines and objects beyond the bound.
    pub dropped_s: f64,
}

impl Tally {
    /// Adds a look that stands for `seconds`.
    pub fn add(&mut self, look: &Look, seconds: f64) {
        self.looks += 1;
        self.torn += look.torn;
        self.seconds += seconds;
        let mut waiters: FxHashMap<u64, u32> = FxHashMap::default();
        for seen in &look.threads {
            let state = seen.state.index();
            match bounded_entry(&mut self.threads, seen.thread) {
                Some(of) => of[state] += seconds,
                None => self.dropped_s += seconds,
            }
            if let Some(line) = &seen.line {
                match bounded_entry(&mut self.lines, Arc::clone(line)) {
                    Some(of) => of[state] += seconds,
                    None => self.dropped_s += seconds,
                }
            }
            // Waiting for an event is not contention: no thread holds what would end it.
            if let Some(wait) = seen.wait.as_ref().filter(|_| seen.state == ThreadState::Lock) {
                *waiters.entry(wait.object).or_default() += 1;
                if self.objects.len() >= MAX_KEYS && !self.objects.contains_key(&wait.object) {
                    self.dropped_s += seconds;
                    continue;
                }
                let known = self.objects.entry(wait.object).or_insert_with(|| ContendedObject {
                    target: wait.target.clone(),
                    wait_s: 0.0,
                    most_waiters: 0,
                    line: None,
                });
                known.target = wait.target.clone();
                known.wait_s += seconds;
                known.add_wait(seen.line.as_ref(), seconds);
            }
        }
        for (object, count) in waiters {
            if let Some(known) = self.objects.get_mut(&object) {
                known.most_waiters = known.most_waiters.max(count);
            }
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        self.looks += other.looks;
        self.torn += other.torn;
        self.seconds += other.seconds;
        self.dropped_s += other.dropped_s;
        for (&thread, seconds) in &other.threads {
            add(bounded_entry(&mut self.threads, thread), seconds);
        }
        for (line, seconds) in &other.lines {
            add(bounded_entry(&mut self.lines, Arc::clone(line)), seconds);
        }
        for (&object, contended) in &other.objects {
            if self.objects.len() >= MAX_KEYS && !self.objects.contains_key(&object) {
                self.dropped_s += contended.wait_s;
                continue;
            }
            match self.objects.entry(object) {
                std::collections::hash_map::Entry::Vacant(empty) => {
                    empty.insert(contended.clone());
                }
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.wait_s += contended.wait_s;
                    known.most_waiters = known.most_waiters.max(contended.most_waiters);
                    known.target = contended.target.clone();
                    if let Some((line, weight)) = &contended.line {
                        known.add_wait(Some(line), *weight);
                    }
                }
            }
        }
    }

    /// Returns the seconds that all threads spent in one state.
    #[must_use]
    pub fn of_state(&self, state: ThreadState) -> f64 {
        self.threads.values().map(|seconds| seconds[state.index()]).sum()
    }
}

impl ContendedObject {
    fn add_wait(&mut self, line: Option<&Arc<CodeLine>>, weight: f64) {
        let Some(line) = line else { return };
        self.line = match self.line.take() {
            Some((known, sum)) if known == *line => Some((known, sum + weight)),
            Some((known, sum)) if sum > weight => Some((known, sum - weight)),
            _ => Some((Arc::clone(line), weight)),
        };
    }
}

fn add(into: Option<&mut StateSeconds>, seconds: &StateSeconds) {
    if let Some(into) = into {
        into.iter_mut().zip(seconds).for_each(|(sum, more)| *sum += more);
    }
}

/// Returns the entry of `key`; `None` if it is new and the map is full.
fn bounded_entry<K: std::hash::Hash + Eq>(
    map: &mut FxHashMap<K, StateSeconds>,
    key: K,
) -> Option<&mut StateSeconds> {
    if map.len() >= MAX_KEYS && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

/// Sums of one interval between two views.
#[derive(Debug, Clone, Default)]
pub(super) struct IntervalSums {
    pub(super) tally: Tally,
    pub(super) collections: CollectionTotals,
    pub(super) pauses: Pauses,
    pub(super) gil_held: u64,
}

impl IntervalSums {
    pub(super) fn merge(&mut self, other: &IntervalSums) {
        self.tally.merge(&other.tally);
        self.collections = self.collections.plus(&other.collections);
        self.pauses = self.pauses.plus(&other.pauses);
        self.gil_held += other.gil_held;
    }
}

#[cfg(test)]
mod tests;
