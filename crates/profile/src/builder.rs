//! Builds a profile from samples: interns new entries, sums weights, and forwards everything to a
//! recording if there is one.
//!
//! Designed for 200,000 looks per second: a thread seen with the same stack as before costs one
//! comparison and two additions; the next frame of a known stack costs one comparison or one hash
//! lookup. Every table is bounded, so that a target that never repeats itself does not exhaust
//! memory. Entries beyond a bound are counted under a placeholder.

mod intern;

use crate::header::{Header, Totals};
use crate::model::*;
use crate::profile::Profile;
use crate::writer::RecordingWriter;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::io;

/// Bounds of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum rows of each table of names: strings, functions, frames, locks, pauses.
    pub names: usize,
    /// Maximum bytes of all strings. A single string is truncated to 4 KiB.
    pub string_bytes: usize,
    /// Maximum number of stacks.
    pub stacks: usize,
    /// Maximum number of combinations of thread, stack, activity, lock and holder.
    pub rows: usize,
    /// Maximum number of threads.
    pub threads: usize,
}

impl Limits {
    /// No bounds, for input that is bounded already.
    pub(crate) const NONE: Limits = Limits {
        names: usize::MAX,
        string_bytes: usize::MAX,
        stacks: usize::MAX,
        rows: usize::MAX,
        threads: usize::MAX,
    };
}

impl Default for Limits {
    /// Bounds that limit memory to about half a GiB.
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

/// Builds a profile.
pub struct Builder {
    profile: Profile,
    limits: Limits,
    string_bytes: usize,
    // SipHash, because the target chooses the strings and could provoke collisions of a weak hash.
    strings: HashMap<Box<str>, StringId>,
    functions: FxHashMap<Function, FunctionId>,
    frames: FxHashMap<Frame, FrameId>,
    stacks: FxHashMap<Stack, StackId>,
    /// For each stack, the child that was used last. The hash table is consulted only where a
    /// caller's callee changes.
    last_child: Vec<StackId>,
    threads: FxHashMap<(u32, u32), ThreadId>,
    locks: FxHashMap<(u32, u64, StringId), LockId>,
    rows: FxHashMap<RowKey, usize>,
    /// For each thread, the row that was used last.
    last: Vec<Option<usize>>,
    recording: Option<RecordingWriter<Box<dyn io::Write + Send>>>,
}

/// The result of a builder.
#[derive(Debug)]
pub struct Finished {
    /// The profile.
    pub profile: Profile,
    /// The error if the recording is incomplete. The profile is complete in any case.
    pub recording: io::Result<()>,
}

impl Builder {
    /// Creates an empty profile with the default bounds.
    pub fn new(header: Header) -> Builder {
        Builder::with_limits(header, Limits::default())
    }

    /// Creates an empty profile.
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
            last_child: vec![StackId::EMPTY],
            threads: FxHashMap::default(),
            locks: FxHashMap::default(),
            rows: FxHashMap::default(),
            last: Vec::new(),
            recording: None,
        }
    }

    /// Also writes everything to `to`, as a recording. Must be called before anything is added. A
    /// failure of `to` ends the recording, not the profile: see [`Finished`].
    pub fn record(mut self, to: impl io::Write + Send + 'static) -> Builder {
        self.recording = Some(RecordingWriter::new(Box::new(to), &self.profile.header));
        self
    }

    /// Returns the profile so far. Of its totals only `left_out` is set.
    pub fn so_far(&self) -> &Profile {
        &self.profile
    }

    /// Adds a pause. Beyond the bound on names it is only counted in [`Totals::left_out`]. `detail`
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
        self.record_with(|to| to.pause(pause));
    }

    /// Adds a sample. Its ids must be this builder's.
    pub fn sample(&mut self, sample: Sample) {
        let Sample { weight, thread, stack, activity, lock, holder, .. } = sample;
        self.add(RowKey { thread, stack, activity, lock, holder }, Weight { samples: 1, weight });
        self.record_with(|to| to.sample(&sample));
    }

    /// Adds a sum without a time, such as that of an allocation site.
    pub fn row(&mut self, key: RowKey, weight: Weight) {
        self.add(key, weight);
        self.record_with(|to| to.row(&key, &weight));
    }

    fn add(&mut self, key: RowKey, weight: Weight) {
        let row = match self.last[key.thread.index()] {
            Some(row) if self.profile.rows[row].0 == key => row,
            _ => self.row_index(key, weight.samples),
        };
        let sum = &mut self.profile.rows[row].1;
        sum.samples = sum.samples.saturating_add(weight.samples);
        sum.weight = sum.weight.saturating_add(weight.weight);
        self.last[key.thread.index()] = Some(row);
    }

    /// Returns the row of a key. If all rows are taken, returns the row for the thread's activity
    /// with a placeholder stack.
    fn row_index(&mut self, mut key: RowKey, samples: u64) -> usize {
        if self.rows.len() >= self.limits.rows && !self.rows.contains_key(&key) {
            let stack = self.left_out_stack();
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

    /// Finishes the profile and the recording. What was left out here is added to
    /// `totals.left_out`.
    pub fn finish(mut self, mut totals: Totals) -> Finished {
        totals.left_out = totals.left_out.saturating_add(self.profile.totals.left_out);
        self.profile.totals = totals.bounded();
        let recording = self.recording.map_or(Ok(()), |to| to.finish(&self.profile.totals));
        Finished { profile: self.profile, recording }
    }

    fn record_with(&mut self, what: impl FnOnce(&mut RecordingWriter<Box<dyn io::Write + Send>>)) {
        if let Some(to) = &mut self.recording {
            what(to);
        }
    }
}
