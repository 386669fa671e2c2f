//! Builds a profile sample by sample: interns what is new, sums the rest, and hands it on to a
//! recording if there is one.
//!
//! Made for 200,000 looks a second: a thread seen in the same place as last time costs a comparison
//! and two additions, a known stack's next frame a comparison or one look-up by hash. Every table
//! has a bound: what comes after it is full is counted where it can be and said to be left out, so
//! that a target that never repeats itself does not exhaust memory.

mod intern;

use crate::header::{Header, Totals};
use crate::model::*;
use crate::profile::Profile;
use crate::writer::Writer;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::io;

/// Bounds of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of each table of names: strings, functions, frames, locks, pauses.
    pub names: usize,
    /// Bytes of all strings; one string is cut at 4 KiB.
    pub string_bytes: usize,
    /// Stacks.
    pub stacks: usize,
    /// Different combinations of thread, stack, activity, lock and holder.
    pub rows: usize,
    /// Threads.
    pub threads: usize,
}

impl Limits {
    /// For what has its bounds already.
    pub(crate) const NONE: Limits = Limits {
        names: usize::MAX,
        string_bytes: usize::MAX,
        stacks: usize::MAX,
        rows: usize::MAX,
        threads: usize::MAX,
    };
}

impl Default for Limits {
    /// At most about half a GiB when everything is full.
    fn default() -> Limits {
        Limits {
            names: 1 << 20,
            string_bytes: 128 << 20,
            stacks: 1 << 22,
            rows: 1 << 21,
            threads: 1 << 16,
        }
    }
}

/// A profile being made.
pub struct Builder {
    profile: Profile,
    limits: Limits,
    string_bytes: usize,
    // Strings come from the target, which may choose them so that a weak hash collides.
    strings: HashMap<Box<str>, StringId>,
    functions: FxHashMap<Function, FunctionId>,
    frames: FxHashMap<Frame, FrameId>,
    stacks: FxHashMap<Stack, StackId>,
    /// For each stack the one that last grew from it: the hash is asked only where a caller's
    /// callee changes.
    grown: Vec<StackId>,
    threads: FxHashMap<(u32, u32), ThreadId>,
    locks: FxHashMap<(u32, u64, StringId), LockId>,
    rows: FxHashMap<Key, usize>,
    /// For each thread the row it last added to.
    last: Vec<Option<usize>>,
    recording: Option<Writer<Box<dyn io::Write + Send>>>,
}

/// What is left when a builder is done.
#[derive(Debug)]
pub struct Finished {
    /// The profile.
    pub profile: Profile,
    /// Why the recording is not complete, if it is not; the profile is.
    pub recording: io::Result<()>,
}

impl Builder {
    /// A profile of nothing yet, with the default bounds.
    pub fn new(header: Header) -> Builder {
        Builder::with_limits(header, Limits::default())
    }

    /// A profile of nothing yet.
    pub fn with_limits(header: Header, limits: Limits) -> Builder {
        let root = Stack { parent: StackId::EMPTY, frame: FrameId(0) };
        let header = header.bounded();
        let profile =
            Profile { header, strings: vec!["".into()], stacks: vec![root], ..Profile::default() };
        Builder {
            profile,
            limits,
            string_bytes: 0,
            strings: HashMap::from([("".into(), StringId::EMPTY)]),
            functions: FxHashMap::default(),
            frames: FxHashMap::default(),
            stacks: FxHashMap::default(),
            grown: vec![StackId::EMPTY],
            threads: FxHashMap::default(),
            locks: FxHashMap::default(),
            rows: FxHashMap::default(),
            last: Vec::new(),
            recording: None,
        }
    }

    /// Also writes everything that comes from now on to `to`, as a recording; to be called before
    /// anything is added. A failure of `to` ends the recording, not the profile: see [`Finished`].
    pub fn record(mut self, to: impl io::Write + Send + 'static) -> Builder {
        self.recording = Some(Writer::new(Box::new(to), &self.profile.header));
        self
    }

    /// The profile so far; its totals are still empty but for what was left out.
    pub fn so_far(&self) -> &Profile {
        &self.profile
    }

    /// Adds a pause; past the bound on names it is counted in [`Totals::left_out`] alone. `detail`
    /// may be empty.
    pub fn pause(
        &mut self,
        pid: u32,
        kind: PauseKind,
        start_ns: u64,
        duration_ns: u64,
        detail: &str,
    ) {
        let detail = self.string(detail);
        self.add_pause(Pause { pid, kind, start_ns, duration_ns, detail });
    }

    pub(crate) fn add_pause(&mut self, pause: Pause) {
        if self.profile.pauses.len() >= self.limits.names {
            self.profile.totals.left_out += 1;
            return;
        }
        self.profile.pauses.push(pause);
        self.tell(|to| to.pause(pause));
    }

    /// Adds what one look saw of one thread. Ids must be this builder's.
    pub fn sample(&mut self, sample: Sample) {
        let Sample { weight, thread, stack, activity, lock, holder, .. } = sample;
        self.add(Key { thread, stack, activity, lock, holder }, Weight { samples: 1, weight });
        self.tell(|to| to.sample(&sample));
    }

    /// Adds a sum that has no place in time, such as an allocation site's.
    pub fn row(&mut self, key: Key, weight: Weight) {
        self.add(key, weight);
        self.tell(|to| to.row(&key, &weight));
    }

    fn add(&mut self, key: Key, weight: Weight) {
        let row = match self.last[key.thread.index()] {
            Some(row) if self.profile.rows[row].0 == key => row,
            _ => self.find(key, weight.samples),
        };
        let sum = &mut self.profile.rows[row].1;
        sum.samples = sum.samples.saturating_add(weight.samples);
        sum.weight = sum.weight.saturating_add(weight.weight);
        self.last[key.thread.index()] = Some(row);
    }

    /// The key's row, or when all rows are taken the one for what its thread was doing, wherever it
    /// was.
    fn find(&mut self, mut key: Key, samples: u64) -> usize {
        if self.rows.len() >= self.limits.rows && !self.rows.contains_key(&key) {
            let stack = self.left_out();
            key.stack = self.stack(stack.parent, stack.frame);
            (key.lock, key.holder) = (None, None);
            self.profile.totals.left_out = self.profile.totals.left_out.saturating_add(samples);
        }
        let next = self.profile.rows.len();
        let row = *self.rows.entry(key).or_insert(next);
        if row == next {
            self.profile.rows.push((key, Weight::default()));
        }
        row
    }

    /// Ends the profile, and the recording with it. `totals.left_out` is added to what was left out
    /// here.
    pub fn finish(mut self, mut totals: Totals) -> Finished {
        totals.left_out = totals.left_out.saturating_add(self.profile.totals.left_out);
        self.profile.totals = totals.bounded();
        let recording = self.recording.map_or(Ok(()), |to| to.finish(&self.profile.totals));
        Finished { profile: self.profile, recording }
    }

    fn tell(&mut self, what: impl FnOnce(&mut Writer<Box<dyn io::Write + Send>>)) {
        if let Some(to) = &mut self.recording {
            what(to);
        }
    }
}
