//! Two profiles side by side: what takes more and what takes less than before.
//!
//! Runs differ in length, in process and thread ids, in addresses, and code between them in line
//! numbers. So profiles are compared by share; functions are the same if name and file are, threads
//! and locks if their names are.

use crate::builder::{Builder, Limits};
use crate::model::*;
use crate::profile::Profile;
use rustc_hash::FxHashMap;
use ungil_format::percent;

/// Two profiles in the tables of one.
pub(crate) struct Merged {
    /// The tables of both, with the rows of the later one.
    pub(crate) profile: Profile,
    /// The rows of the earlier one.
    pub(crate) before: Vec<(Key, Weight)>,
}

impl Merged {
    pub(crate) fn new(before: &Profile, after: &Profile) -> Merged {
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
        Merged { profile, before }
    }
}

struct Merger {
    to: Builder,
    /// The first line of the profile that came first counts.
    functions: FxHashMap<(String, String, Kind), FunctionId>,
    /// A number for each name that stands for a thread or a lock.
    names: FxHashMap<String, u32>,
}

impl Merger {
    fn add(&mut self, from: &Profile) -> Vec<(Key, Weight)> {
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
        let mut sums: FxHashMap<Key, usize> = FxHashMap::default();
        let mut rows: Vec<(Key, Weight)> = Vec::new();
        for (key, weight) in &from.rows {
            let key = Key {
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

    /// Threads without a name are one.
    fn thread(&mut self, from: &Profile, thread: &Thread) -> ThreadId {
        let name = match from.string(thread.name) {
            "" => "threads without a name",
            name => name,
        };
        let number = self.number(format!("thread {name}"));
        self.to.thread(number, 0, name)
    }

    /// Locks of a kind without a name are one.
    fn lock(&mut self, from: &Profile, lock: &Lock) -> LockId {
        let (kind, name) = (from.string(lock.kind), from.string(lock.name));
        let number = self.number(format!("lock {kind} {name}"));
        self.to.lock(number, 0, kind, name)
    }
}

/// What a function took before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The function's name.
    pub name: String,
    /// Its file and line: the function's first, or the line itself.
    pub place: String,
    /// The part of all weight that was its own before, 0 to 1.
    pub before: f64,
    /// And after.
    pub after: f64,
}

impl Change {
    /// How much more of the whole it takes, -1 to 1.
    pub fn change(&self) -> f64 {
        self.after - self.before
    }

    /// In words: `spin (app.py:60): 12.0 % of all before, 31.0 % after (+19.0)`.
    pub fn words(&self) -> String {
        let (before, after) = (percent(self.before), percent(self.after));
        let change = 100.0 * self.change();
        let place =
            if self.place.is_empty() { String::new() } else { format!(" ({})", self.place) };
        format!("{}{place}: {before} of all before, {after} after ({change:+.1})", self.name)
    }
}

/// What to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Functions.
    Function,
    /// Lines.
    Line,
}

/// What changed between two profiles, by what each function or line took itself, in whatever
/// activity; the largest change first. Parts of a whole, so that the profiles need not have lasted
/// equally long.
pub fn changes(before: &Profile, after: &Profile, by: By) -> Vec<Change> {
    let merged = Merged::new(before, after);
    let profile = &merged.profile;
    let mut sums: FxHashMap<(FunctionId, u32), [u64; 2]> = FxHashMap::default();
    for (side, rows) in [&merged.before, &profile.rows].into_iter().enumerate() {
        for (key, weight) in rows.iter().filter(|(key, _)| key.stack != StackId::EMPTY) {
            let frame = profile.frames[profile.stacks[key.stack.index()].frame.index()];
            let line = if by == By::Line { frame.line } else { 0 };
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
            let line = if by == By::Line { line } else { function.first_line };
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
