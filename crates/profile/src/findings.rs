//! The main findings of a profile, one sentence each with its figure: what is waited for and who
//! holds it, what runs, what the GIL and the collector take, and whether the profile is reliable.
//! Findings below a threshold are left out.

mod pauses;
mod replacement;
mod warnings;

use crate::header::{Mode, Unit};
use crate::model::*;
use crate::profile::Profile;
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::Hash;
use ungil_format::{counted, percent};

/// Maximum number of findings.
const MAX_FINDINGS: usize = 5;
/// Minimum share of the total for a finding about a lock, a line or the GIL.
const MIN_SHARE: f64 = 0.05;
/// Minimum share of the total for a finding about pauses.
const MIN_PAUSE_SHARE: f64 = 0.02;
/// Minimum share of time outside Python for the finding that the program is idle.
const MIN_IDLE_SHARE: f64 = 0.9;
/// Minimum number of samples for findings about shares.
const MIN_SAMPLES: u64 = 50;

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The topic.
    pub topic: FindingTopic,
    /// The share of the total that it is about, 0 to 1.
    pub share: f64,
    /// The sentence, without a full stop.
    pub text: String,
}

/// The topic of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingTopic {
    /// Waiting for a lock.
    Lock,
    /// Waiting for the GIL.
    Gil,
    /// Garbage collection and stop-the-world pauses.
    Pauses,
    /// A function that runs, or allocates.
    Function,
    /// A line that runs, or allocates.
    Line,
    /// The program is mostly idle.
    Idle,
    /// A limit to the profile's reliability.
    Warning,
}

/// Returns the findings of a profile: at most five, the largest share first, warnings last.
pub fn findings(profile: &Profile) -> Vec<Finding> {
    let warnings = warnings::warnings(profile);
    let total = profile.total();
    let mut found = Vec::new();
    if total.weight > 0 && total.samples >= MIN_SAMPLES {
        let sums = ProfileSums { profile, total: total.weight as f64 };
        match profile.header.unit {
            Unit::Bytes => found.extend(sums.allocations()),
            Unit::Nanoseconds => {
                found.extend(sums.locks());
                found.extend(sums.running());
                found.extend(sums.gil());
                found.extend(sums.pauses());
                found.extend(sums.idle());
            }
        }
    }
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found.truncate(MAX_FINDINGS.saturating_sub(warnings.len()));
    found.extend(warnings);
    found
}

/// Computes the findings from a profile's rows.
struct ProfileSums<'a> {
    profile: &'a Profile,
    total: f64,
}

impl ProfileSums<'_> {
    fn rows(&self, is_of: impl Fn(Activity) -> bool) -> impl Iterator<Item = (&RowKey, u64)> {
        let rows = self.profile.rows.iter();
        rows.filter(move |(key, _)| is_of(key.activity)).map(|(key, weight)| (key, weight.weight))
    }

    fn leaf(&self, stack: StackId) -> Option<FrameId> {
        self.profile.leaf_to_root(stack).next()
    }

    /// Returns findings about locks, by name, or by address if a lock has no name.
    fn locks(&self) -> Vec<Finding> {
        let mut locks: FxHashMap<String, LockWaits> = FxHashMap::default();
        for (key, weight) in self.rows(|of| of == Activity::LOCK) {
            let Some(id) = key.lock else { continue };
            let lock = &self.profile.locks[id.index()];
            let waits = locks.entry(self.profile.lock_label(lock)).or_default();
            let (kind, name) = (self.profile.string(lock.kind), self.profile.string(lock.name));
            waits.replacement = replacement::replacement(kind, name);
            waits.name_has_line = self.profile.string(lock.name).contains(" at ");
            waits.weight += weight as f64;
            waits.threads.insert(key.thread);
            add(&mut waits.lines, self.python_leaf(key.stack), weight);
            add(&mut waits.holders, key.holder, weight);
        }
        let found = locks.into_iter().filter(|(_, w)| w.weight / self.total >= MIN_SHARE);
        found.map(|(label, waits)| self.lock(&label, &waits)).collect()
    }

    fn lock(&self, label: &str, waits: &LockWaits) -> Finding {
        let share = waits.weight / self.total;
        let mut more = vec![counted(waits.threads.len(), "thread")];
        let line = heaviest(&waits.lines).filter(|_| !waits.name_has_line);
        let place = line.map_or(String::new(), |line| format!(" at {}", self.at(line)));
        let article =
            if ["the ", "a ", "an "].iter().any(|a| label.starts_with(a)) { "" } else { "the " };
        more.push(match heaviest(&waits.holders) {
            Some(frame) => format!("most often held at {}", self.at(frame)),
            None => "holder unknown".into(),
        });
        let what = match self.profile.header.mode {
            Mode::Lock => "is for",
            _ => "waits for",
        };
        let of = self.profile.header.mode.what();
        let mut text = format!(
            "{} of {of} {what} {article}{label}{place} ({})",
            percent(share),
            more.join(", ")
        );
        if let Some(replacement) = &waits.replacement {
            text.push_str(&format!("; {replacement}"));
        }
        Finding { topic: FindingTopic::Lock, share, text }
    }

    /// Returns findings about the function and the line with the most running time of their own.
    fn running(&self) -> Vec<Finding> {
        let frames = self.rows(Activity::is_busy).map(|(key, weight)| {
            // A collection that a line triggers is not that line's work.
            let leaf =
                self.leaf(key.stack).filter(|f| self.profile.function(*f).kind != FrameKind::Gc);
            (leaf, weight)
        });
        self.hottest(frames, self.total, &format!("of {} runs", self.profile.header.mode.what()))
    }

    /// Returns findings about the function and the line with the largest sums of `whole`: one
    /// sentence if the line belongs to the function.
    fn hottest(
        &self,
        frames: impl Iterator<Item = (Option<FrameId>, u64)>,
        whole: f64,
        what: &str,
    ) -> Vec<Finding> {
        let (mut lines, mut functions) = (FxHashMap::default(), FxHashMap::default());
        for (frame, weight) in frames {
            add(&mut lines, frame, weight);
            add(
                &mut functions,
                frame.map(|frame| self.profile.frames[frame.index()].function),
                weight,
            );
        }
        let (Some(line), Some(function)) = (heaviest(&lines), heaviest(&functions)) else {
            return Vec::new();
        };
        let (of_line, of_function) =
            (lines[&line] as f64 / whole, functions[&function] as f64 / whole);
        let name = |frame| self.profile.string(self.profile.function(frame).name);
        let at = self.at(line);
        let line_alone = Finding {
            topic: FindingTopic::Line,
            share: of_line,
            text: format!("{} {what} at {at} in {}", percent(of_line), name(line)),
        };
        let called = &self.profile.functions[function.index()];
        let (called, file) = (self.profile.string(called.name), self.profile.string(called.file));
        let head = format!("{} {what} in {called}", percent(of_function));
        let about_function =
            |text| Finding { topic: FindingTopic::Function, share: of_function, text };
        let found = if self.profile.frames[line.index()].function != function {
            let file = file.rsplit('/').next().unwrap_or(file);
            let place = if file.is_empty() { String::new() } else { format!(" ({file})") };
            vec![about_function(format!("{head}{place}")), line_alone]
        } else if percent(of_line) == percent(of_function) {
            vec![line_alone]
        } else {
            vec![about_function(format!("{head}, most often at {at} ({})", percent(of_line)))]
        };
        found.into_iter().filter(|finding| finding.share >= MIN_SHARE).collect()
    }

    fn gil(&self) -> Option<Finding> {
        let (mut weight, mut threads, mut lines) =
            (0.0, FxHashSet::default(), FxHashMap::default());
        for (key, w) in self.rows(|of| of == Activity::GIL) {
            weight += w as f64;
            threads.insert(key.thread);
            add(&mut lines, self.python_leaf(key.stack), w);
        }
        let share = weight / self.total;
        let place =
            heaviest(&lines).map_or(String::new(), |f| format!(", most often at {}", self.at(f)));
        let (of, threads) = (self.profile.header.mode.what(), counted(threads.len(), "thread"));
        let text = format!("{} of {of} waits for the GIL ({threads}{place})", percent(share));
        (share >= MIN_SHARE).then_some(Finding { topic: FindingTopic::Gil, share, text })
    }

    fn idle(&self) -> Option<Finding> {
        let idle = |of| of == Activity::SYSCALL || of == Activity::EVENT;
        let share = self.rows(idle).map(|(_, w)| w as f64).sum::<f64>() / self.total;
        let of = self.profile.header.mode.what();
        let text = format!("{} of {of} is in system calls or idle", percent(share));
        (share >= MIN_IDLE_SHARE).then_some(Finding { topic: FindingTopic::Idle, share, text })
    }

    /// Returns findings about the functions and lines with the most live memory, and with the most
    /// allocated and freed memory.
    fn allocations(&self) -> Vec<Finding> {
        let about = |activity, what: &str| {
            let rows = || {
                self.rows(move |of| of == activity)
                    .map(|(key, weight)| (self.python_leaf(key.stack), weight))
            };
            let sum: f64 = rows().map(|(_, weight)| weight as f64).sum();
            self.hottest(rows(), sum, &format!("of {what} was allocated"))
        };
        let freed = "freed memory";
        [about(Activity::Live, "live memory"), about(Activity::Freed, freed)].concat()
    }

    /// Returns the frame nearest the leaf that has a Python file: the caller of a collection, a
    /// type or C code.
    fn python_leaf(&self, stack: StackId) -> Option<FrameId> {
        self.profile.leaf_to_root(stack).find(|frame| {
            let function = self.profile.function(*frame);
            function.file != StringId::EMPTY && function.kind != FrameKind::Native
        })
    }

    fn at(&self, frame: FrameId) -> String {
        let place = self.profile.place(frame);
        let name = || self.profile.string(self.profile.function(frame).name).to_string();
        if place.is_empty() { name() } else { place }
    }
}

/// Waiting for one lock.
#[derive(Default)]
struct LockWaits {
    /// Whether its name includes the line of the wait.
    name_has_line: bool,
    /// What can replace the object, if that is known.
    replacement: Option<String>,
    weight: f64,
    threads: FxHashSet<ThreadId>,
    lines: FxHashMap<FrameId, u64>,
    holders: FxHashMap<FrameId, u64>,
}

fn add<K: Hash + Eq>(sums: &mut FxHashMap<K, u64>, key: Option<K>, weight: u64) {
    if let Some(key) = key {
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(weight);
    }
}

/// Returns the key with the largest sum; of equal ones the first, so that the result is
/// deterministic.
fn heaviest<K: Copy + Ord + Hash>(sums: &FxHashMap<K, u64>) -> Option<K> {
    sums.iter()
        .max_by_key(|(key, weight)| (**weight, std::cmp::Reverse(**key)))
        .map(|(key, _)| *key)
}
