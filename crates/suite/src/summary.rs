//! What the records of a suite say: a row for every arm that is not the reference, and each
//! category in one figure, the paper's way and ours. Made of the records alone.
//!
//! The reference of an arm is the first interpreter (the build with the GIL) with threads, or none,
//! and as many workers.

mod rows;
#[cfg(test)]
mod tests;

use crate::findings;
use crate::folder::Study;
use crate::plan::{Point, Skipped};
use crate::workloads::{Category, Form, named};
pub use rows::KEYS;
use rows::{add_rows, overall};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use ungil_experiment::arm::{Arm, Model};
use ungil_experiment::energy::Evidence;
use ungil_experiment::hazard::HazardKind;
use ungil_experiment::record::{Outcome, Record};
use ungil_experiment::stats::{Ratio, Verdict};
use ungil_format::{counted, interval, ratio};

/// Everything a suite says.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// When the suite began, RFC 3339.
    pub started: String,
    /// Version of ungil that ran it.
    pub ungil: String,
    /// The machine, in a line.
    pub machine: String,
    /// Its processors.
    pub cpus: usize,
    /// The interpreters, the reference first.
    pub pythons: Vec<String>,
    /// How joules came to be known.
    pub evidence: Evidence,
    /// What the sensor covers, or why there is none, in a line each.
    pub energy: Vec<String>,
    /// Category by category.
    pub categories: Vec<OfCategory>,
    /// What failed; its figures are not used.
    pub failed: Vec<Failed>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Points that have not run, or not to their end.
    pub unfinished: Vec<String>,
    /// Records that cannot be read.
    pub unreadable: Vec<Skipped>,
    /// What puts figures in doubt, kind by kind, with how many runs have it and one as an example.
    pub hazards: Vec<String>,
    /// What could not be measured, by metric, and why.
    pub missing: BTreeMap<String, String>,
    /// What was noted when it was planned.
    pub notes: Vec<String>,
    /// What follows, in sentences.
    pub findings: Vec<String>,
}

/// One category.
#[derive(Debug, Clone, Serialize)]
pub struct OfCategory {
    /// Which.
    pub category: Category,
    /// Its rows, in the order in which they ran.
    pub rows: Vec<Row>,
    /// All its points in one figure.
    pub overall: Vec<Overall>,
}

/// One arm of one point beside its reference.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The point's record.
    pub id: String,
    /// The workload.
    pub workload: String,
    /// Its form.
    pub form: Form,
    /// Its size.
    pub size: u64,
    /// The arm.
    pub arm: String,
    /// What it is compared with.
    pub reference: String,
    /// Interpreter and, if it is not threads, the model: what is the same along a scaling curve.
    pub label: String,
    /// Number of workers, if it takes one.
    pub workers: Option<u32>,
    /// Its figures by key.
    pub metrics: BTreeMap<String, Beside>,
}

/// A metric of an arm and of its reference.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Beside {
    /// The reference's median.
    pub reference: f64,
    /// The arm's median.
    pub value: f64,
    /// The arm's over the reference's, block by block.
    pub ratio: Option<Ratio>,
    /// What may be said.
    pub verdict: Verdict,
}

/// A metric over all points of a category.
#[derive(Debug, Clone, Serialize)]
pub struct Overall {
    /// Interpreter and model, as in [`Row::label`].
    pub label: String,
    /// The form.
    pub form: Form,
    /// The metric.
    pub metric: String,
    /// Points and arms that count.
    pub rows: usize,
    /// `gmean` and its interval: the paper's way, over every run of every point. Runs of one point
    /// are taken for as independent as points are, so its interval is too narrow for what it says.
    pub paper: Ratio,
    /// `ratio` and its interval: ours, the median over blocks of the geometric mean over points in
    /// a block.
    pub ours: Ratio,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The point.
    pub what: String,
    /// The arm.
    pub arm: String,
    /// How.
    pub why: String,
    /// It computed something wrong.
    pub self_check: bool,
}

/// What a workload says whose result is wrong.
const WRONG: &str = "self-check failed: ";

/// The summary of a study.
pub fn summary(study: &Study) -> Summary {
    let first = study.records.first().map(|(_, r)| &r.header);
    let machine = first.map(|h| h.machine.clone()).unwrap_or_default();
    let mut failed = Vec::new();
    let mut categories = Vec::new();
    for category in Category::ALL {
        let mut rows = Vec::new();
        let mut pairs = Vec::new();
        for (point, record) in study.records.iter().filter(|(p, _)| p.category == category) {
            let wrong = failures(point, record);
            let useless = wrong.iter().any(|f| f.self_check);
            failed.extend(wrong);
            if !useless {
                add_rows(point, record, &mut rows, &mut pairs);
            }
        }
        if !rows.is_empty() {
            let overall = overall(&rows, &pairs);
            categories.push(OfCategory { category, rows, overall });
        }
    }
    let energy =
        first.map(|h| h.sensors.iter().map(|s| s.covers.clone()).chain(h.absent.clone()).collect());
    let evidence = first.and_then(|h| h.sensors.first()).map_or(Evidence::None, |s| s.evidence);
    let recorded: BTreeSet<&str> = study.records.iter().map(|(p, _)| p.id.as_str()).collect();
    let without = study
        .suite
        .points
        .iter()
        .filter(|p| !recorded.contains(p.id.as_str()))
        .map(|p| p.id.clone());
    let short = study.records.iter().filter(|(_, r)| unfinished(r)).map(|(p, _)| p.id.clone());
    let mut summary = Summary {
        started: study.suite.started.clone(),
        ungil: study.suite.ungil.clone(),
        machine: format!("{}, {}, {}", machine.cpu, counted(machine.cpus, "CPU"), machine.kernel),
        cpus: machine.cpus,
        pythons: heads(study),
        evidence,
        energy: energy.unwrap_or_default(),
        categories,
        failed,
        skipped: study.suite.skipped.clone(),
        unfinished: without.chain(short).collect(),
        unreadable: study.unreadable.clone(),
        hazards: hazards(study),
        missing: missing(study),
        notes: study.suite.notes.clone(),
        findings: Vec::new(),
    };
    summary.findings = findings::findings(&summary);
    summary
}

fn heads(study: &Study) -> Vec<String> {
    let mut heads: Vec<String> = Vec::new();
    for arm in study.records.iter().flat_map(|(_, r)| &r.header.arms) {
        if !heads.iter().any(|h| h == arm.head()) {
            heads.push(arm.head().into());
        }
    }
    heads
}

/// A record that stopped before its end, not for a failure.
fn unfinished(record: &Record) -> bool {
    let failed = record.header.arms.iter().any(|a| record.died(&a.id));
    !failed && (record.stopped.is_some() || record.comparison.is_none())
}

fn hazards(study: &Study) -> Vec<String> {
    let runs = || {
        let all = study.records.iter().flat_map(|(p, r)| r.runs.iter().map(move |run| (p, run)));
        all.filter(|(_, run)| run.block > 0)
    };
    let total = runs().count();
    let mut kinds: BTreeMap<HazardKind, (usize, String)> = BTreeMap::new();
    for (point, run) in runs() {
        // One word a kind and run; why a run died stands among the failures.
        let seen: BTreeMap<HazardKind, &str> =
            run.hazards.iter().map(|h| (h.kind, h.says.as_str())).collect();
        for (kind, says) in seen.into_iter().filter(|(kind, _)| *kind != HazardKind::Died) {
            let example = || format!("{says} ({}, {})", what(point), run.arm);
            kinds.entry(kind).or_insert_with(|| (0, example())).0 += 1;
        }
    }
    kinds
        .into_values()
        .map(|(count, says)| format!("{count} of {}, such as: {says}", counted(total, "run")))
        .collect()
}

fn missing(study: &Study) -> BTreeMap<String, String> {
    let runs =
        || study.records.iter().flat_map(|(_, r)| &r.runs).filter(|r| r.outcome == Outcome::Ok);
    let seen: BTreeSet<&String> = runs().flat_map(|r| r.metrics.keys()).collect();
    runs().flat_map(|r| r.missing.clone()).filter(|(key, _)| !seen.contains(key)).collect()
}

fn failures(point: &Point, record: &Record) -> Vec<Failed> {
    let dead = record.header.arms.iter().filter_map(|arm| {
        let run = record.last_run(&arm.id).filter(|r| r.outcome != Outcome::Ok)?;
        let said =
            run.stderr.as_deref().unwrap_or_default().lines().find_map(|l| l.strip_prefix(WRONG));
        // Arms that disagree: one of them is wrong, and nothing says which.
        let disagrees = matches!(run.outcome, Outcome::Invalid { .. });
        let why = said.map_or_else(|| run.outcome.to_string(), |said| format!("{WRONG}{said}"));
        Some(Failed {
            what: what(point),
            arm: arm.id.clone(),
            why,
            self_check: said.is_some() || disagrees,
        })
    });
    dead.collect()
}

/// A point's name for people.
pub fn what(point: &Point) -> String {
    named(&point.workload, point.form, point.size)
}

/// Interpreter and, if it is not threads, the model.
fn label(arm: &Arm) -> String {
    match arm.model() {
        None | Some(Model::Threads) => arm.head().into(),
        Some(model) => format!("{}/{model}", arm.head()),
    }
}

fn reference<'a>(arm: &Arm, arms: &'a [Arm]) -> Option<&'a Arm> {
    let head = arms.first()?.head();
    arms.iter().find(|a| {
        a.head() == head
            && a.workers == arm.workers
            && a.id != arm.id
            && matches!(a.model(), None | Some(Model::Threads))
    })
}

impl Beside {
    /// Blocks both had.
    pub fn blocks(&self) -> usize {
        self.ratio.map_or(0, |r| r.blocks)
    }

    /// `1.08 (1.06–1.11)`; fewer blocks than decide anything are said instead.
    pub fn shown(&self) -> String {
        self.ratio.map_or_else(|| "-".into(), |r| r.to_string())
    }
}

/// The paper's geometric mean with its interval.
pub fn shown_gmean(r: Ratio) -> String {
    match r.gmean_low.zip(r.gmean_high) {
        Some((low, high)) => format!("{} ({})", ratio(r.gmean), interval(low, high)),
        None => ratio(r.gmean),
    }
}
