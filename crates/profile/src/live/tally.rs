//! Looks added up: time by thread and state, by line, by contended object.
//!
//! A look stands for the time since the look before it. Numbers of lines and objects are bounded: a
//! program that makes code for ever does not make its watcher grow. What is turned away is counted.

use super::look::Look;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::frames::CodeLine;
use ungil_remote::gc::CollectionTotals;
use ungil_remote::stop_the_world::Pauses;
use ungil_remote::{ThreadState, WaitTarget};

/// Threads, lines and objects that are told apart, each.
const MOST: usize = 1 << 14;

/// Seconds by [`ThreadState`].
pub type Seconds = [f64; ThreadState::ALL.len()];

/// What is known of an object that threads waited for.
#[derive(Debug, Clone)]
pub struct Contended {
    /// What it is.
    pub target: WaitTarget,
    /// Thread-seconds spent waiting for it.
    pub wait_s: f64,
    /// Most threads seen waiting for it at once.
    pub most_waiters: u32,
    /// The line at which most of the waiting was, and how much of it: the heavy hitter of a stream
    /// (Boyer and Moore).
    pub place: Option<(Arc<CodeLine>, f64)>,
}

/// Looks added up.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Looks.
    pub looks: u64,
    /// Stacks that were torn.
    pub torn: u64,
    /// Seconds the looks stand for.
    pub seconds: f64,
    /// By thread.
    pub threads: FxHashMap<u32, Seconds>,
    /// By line.
    pub lines: FxHashMap<Arc<CodeLine>, Seconds>,
    /// By object waited for.
    pub objects: FxHashMap<u64, Contended>,
    /// Lines and objects that were one too many, in thread-seconds.
    pub turned_away_s: f64,
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
            match room(&mut self.threads, seen.thread) {
                Some(of) => of[state] += seconds,
                None => self.turned_away_s += seconds,
            }
            if let Some(place) = &seen.place {
                match room(&mut self.lines, Arc::clone(place)) {
                    Some(of) => of[state] += seconds,
                    None => self.turned_away_s += seconds,
                }
            }
            // Waiting for an event is not contention: nobody holds what would end it.
            if let Some(wait) = seen.wait.as_ref().filter(|_| seen.state == ThreadState::Lock) {
                *waiters.entry(wait.object).or_default() += 1;
                if self.objects.len() >= MOST && !self.objects.contains_key(&wait.object) {
                    self.turned_away_s += seconds;
                    continue;
                }
                let known = self.objects.entry(wait.object).or_insert_with(|| Contended {
                    target: wait.target.clone(),
                    wait_s: 0.0,
                    most_waiters: 0,
                    place: None,
                });
                known.target = wait.target.clone();
                known.wait_s += seconds;
                known.hit(seen.place.as_ref(), seconds);
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
        self.turned_away_s += other.turned_away_s;
        for (&thread, seconds) in &other.threads {
            add(room(&mut self.threads, thread), seconds);
        }
        for (place, seconds) in &other.lines {
            add(room(&mut self.lines, Arc::clone(place)), seconds);
        }
        for (&object, contended) in &other.objects {
            if self.objects.len() >= MOST && !self.objects.contains_key(&object) {
                self.turned_away_s += contended.wait_s;
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
                    if let Some((place, weight)) = &contended.place {
                        known.hit(Some(place), *weight);
                    }
                }
            }
        }
    }

    /// Seconds of all threads in one state.
    #[must_use]
    pub fn of_state(&self, state: ThreadState) -> f64 {
        self.threads.values().map(|seconds| seconds[state.index()]).sum()
    }
}

impl Contended {
    fn hit(&mut self, place: Option<&Arc<CodeLine>>, weight: f64) {
        let Some(place) = place else { return };
        self.place = match self.place.take() {
            Some((known, sum)) if known == *place => Some((known, sum + weight)),
            Some((known, sum)) if sum > weight => Some((known, sum - weight)),
            _ => Some((Arc::clone(place), weight)),
        };
    }
}

fn add(into: Option<&mut Seconds>, seconds: &Seconds) {
    if let Some(into) = into {
        into.iter_mut().zip(seconds).for_each(|(sum, more)| *sum += more);
    }
}

/// The entry of `key`, unless it is new and there are too many.
fn room<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, Seconds>, key: K) -> Option<&mut Seconds> {
    if map.len() >= MOST && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

/// What the looks of one interval came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) tally: Tally,
    pub(super) collections: CollectionTotals,
    pub(super) pauses: Pauses,
    pub(super) gil_taken: u64,
}

impl Part {
    pub(super) fn merge(&mut self, other: &Part) {
        self.tally.merge(&other.tally);
        self.collections = self.collections.plus(&other.collections);
        self.pauses = self.pauses.plus(&other.pauses);
        self.gil_taken += other.gil_taken;
    }
}

#[cfg(test)]
mod tests;
