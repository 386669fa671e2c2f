//! Compares two profiles: what takes more and what takes less than before.
//!
//! Two runs differ in duration, in process and thread ids, in addresses, and (if the code changed)
//! in line numbers. So shares are compared; functions are identified by name and file, threads and
//! locks by name.

use crate::builder::{Builder, Limits};
use crate::model::*;
use crate::profile::Profile;
use rustc_hash::FxHashMap;
use ungil_format::percent;

/// Two profiles with common tables.
pub(crate) struct MergedProfiles {
    /// The common tables, with the rows of the later profile.
    pub(crate) profile: Profile,
    /// The rows of the earlier profile.
    pub(crate) before: Vec<(RowKey, Weight)>,
}

impl MergedProfiles {
    pub(crate) fn new(before: &Profile, after: &Profile) -> MergedProfiles {
        let mut merger = Merger {
            to: Builder::with_limits(after.header.clone(), Limits::NONE),
            functions: FxHashMap::default(),
            names: FxHashMap::default(),
        };
        for (key, weight) in merger.add(after) {
            merger.to.row(key, weight);
        }
        let before = merger.add(before);
        let profile = merger.to.finish(after.totals.clone()).profile;
        MergedProfiles { profile, before }
    }
}

struct Merger {
    to: Builder,
    /// Functions by name, file and kind. The first line number seen is kept.
    functions: FxHashMap<(String, String, FrameKind), FunctionId>,
    /// A number for each name of a thread or lock.
    names: FxHashMap<String, u32>,
}

impl Merger {
    fn add(&mut self, from: &Profile) -> Vec<(RowKey, Weight)> {
        let functions: Vec<FunctionId> =
            from.functions.iter().map(|f| self.function(from, f)).collect();
        let frames: Vec<FrameId> = from
            .frames
            .iter()
            .map(|f| self.to.frame(functions[f.function.index()], f.line))
            .collect();
        let mut stacks = vec![StackId::EMPTY];
        for stack in from.stacks.iter().skip(1) {
            stacks.push(self.to.stack(stacks[stack.parent.index()], frames[stack.frame.index()]));
        }
        let threads: Vec<ThreadId> = from.threads.iter().map(|t| self.thread(from, t)).collect();
        let locks: Vec<LockId> = from.locks.iter().map(|l| self.lock(from, l)).collect();
        let mut sums: FxHashMap<RowKey, usize> = FxHashMap::default();
        let mut rows: Vec<(RowKey, Weight)> = Vec::new();
        for (key, weight) in &from.rows {
            let key = RowKey {
                thread: threads[key.thread.index()],
                stack: stacks[key.stack.index()],
                activity: key.activity,
                lock: key.lock.map(|l| locks[l.index()]),
                holder: key.holder.map(|f| frames[f.index()]),
            };
            let row = *sums.entry(key).or_insert(rows.len());
            if row == rows.len() {
                rows.push((key, Weight::default()));
            }
            rows[row].1.samples = rows[row].1.samples.saturating_add(weight.samples);
            rows[row].1.weight = rows[row].1.weight.saturating_add(weight.weight);
        }
        rows
    }

    fn function(&mut self, from: &Profile, f: &Function) -> FunctionId {
        let (name, file) = (from.string(f.name), from.string(f.file));
        let id = (name.to_string(), file.to_string(), f.kind);
        let to = &mut self.to;
        *self.functions.entry(id).or_insert_with(|| to.function(name, file, f.first_line, f.kind))
    }

    fn number(&mut self, name: String) -> u32 {
        let next = self.names.len() as u32 + 1;
        *self.names.entry(name).or_insert(next)
    }

    /// Maps all threads of one name to one thread; those without a name are one, too.
    fn thread(&mut self, from: &Profile, thread: &Thread) -> ThreadId {
        let name = match from.string(thread.name) {
            "" => "threads without a name",
            name => name,
        };
        let number = self.number(format!("thread {name}"));
        self.to.thread(number, 0, name)
    }

    /// Maps all locks of one kind and name to one lock; those of a kind without a name are one,
    /// too.
    fn lock(&mut self, from: &Profile, lock: &Lock) -> LockId {
        let (kind, name) = (from.string(lock.kind), from.string(lock.name));
        let number = self.number(format!("lock {kind} {name}"));
        self.to.lock(number, 0, kind, name)
    }
}

/// The share of a function or line before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The function's name.
    pub name: String,
    /// File and line: the function's first line, or the line itself.
    pub place: String,
    /// Share of the total that was its own before, 0 to 1.
    pub before: f64,
    /// Share of the total that was its own after, 0 to 1.
    pub after: f64,
}

impl Change {
    /// Returns the difference of the shares, -1 to 1.
    pub fn change(&self) -> f64 {
        self.after - self.before
    }

    /// Formats the change: `spin (app.py:60): 12.0 % before, 31.0 % after (+19.0)`.
    pub fn describe(&self) -> String {
        let (before, after) = (percent(self.before), percent(self.after));
        let change = 100.0 * self.change();
        let place =
            if self.place.is_empty() { String::new() } else { format!(" ({})", self.place) };
        format!("{}{place}: {before} before, {after} after ({change:+.1})", self.name)
    }
}

/// What to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeBy {
    Function,
    Line,
}

/// Lists what changed between two profiles in the own share of each function or line, over all
/// activities, the largest change first. Shares make profiles of different duration comparable.
pub fn changes(before: &Profile, after: &Profile, by: ChangeBy) -> Vec<Change> {
    let merged = MergedProfiles::new(before, after);
    let profile = &merged.profile;
    let mut sums: FxHashMap<(FunctionId, u32), [u64; 2]> = FxHashMap::default();
    for (side, rows) in [&merged.before, &profile.rows].into_iter().enumerate() {
        for (key, weight) in rows.iter().filter(|(key, _)| key.stack != StackId::EMPTY) {
            let frame = profile.frames[profile.stacks[key.stack.index()].frame.index()];
            let line = if by == ChangeBy::Line { frame.line } else { 0 };
            let sum = &mut sums.entry((frame.function, line)).or_default()[side];
            *sum = sum.saturating_add(weight.weight);
        }
    }
    let wholes = [before, after].map(|p| p.total().weight.max(1) as f64);
    let mut changes: Vec<Change> = sums
        .into_iter()
        .map(|((id, line), sums)| {
            let function = profile.functions[id.index()];
            let file = profile.string(function.file);
            let file = file.rsplit('/').next().unwrap_or(file);
            let line = if by == ChangeBy::Line { line } else { function.first_line };
            let place =
                if file.is_empty() || line == 0 { file.into() } else { format!("{file}:{line}") };
            let [before, after] = [sums[0] as f64 / wholes[0], sums[1] as f64 / wholes[1]];
            Change { name: profile.string(function.name).into(), place, before, after }
        })
        .collect();
    changes.sort_by(|a, b| {
        b.change()
            .abs()
            .total_cmp(&a.change().abs())
            .then_with(|| (&a.name, &a.place).cmp(&(&b.name, &b.place)))
    });
    changes
}
