//! Summarizes the records of a suite: a row for every arm except the reference, and overall figures
//! per category, with the paper's method and with ours. It uses the records alone.
//!
//! The reference of an arm is the first interpreter (the GIL build) with threads or without
//! workers, and the same number of workers.

mod hazards;
mod rows;
#[cfg(test)]
mod tests;

use crate::findings;
use crate::folder::Study;
use crate::plan::{Point, Skipped};
use crate::workloads::{Category, Form, named};
use hazards::hazards;
pub use rows::KEYS;
use rows::{add_rows, overall};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use ungil_experiment::arm::{Arm, Model};
use ungil_experiment::energy::Evidence;
use ungil_experiment::record::{Outcome, Record};
use ungil_experiment::stats::{Ratio, Verdict};
use ungil_format::{counted, interval, ratio};

/// The summary of a suite.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Start time of the suite, RFC 3339.
    pub started: String,
    /// The version of ungil that ran it.
    pub ungil: String,
    /// The machine in one line.
    pub machine: String,
    /// Number of CPUs of the machine.
    pub cpus: usize,
    /// The interpreters, the reference first.
    pub pythons: Vec<String>,
    /// Evidence class of the energy.
    pub evidence: Evidence,
    /// What each sensor covers, or why it is not available.
    pub energy: Vec<String>,
    /// The categories.
    pub categories: Vec<CategorySummary>,
    /// Failed arms, whose figures are not used.
    pub failed: Vec<FailedArm>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// Points that have not run, or not to their end.
    pub unfinished: Vec<String>,
    /// Records that cannot be read.
    pub unreadable: Vec<Skipped>,
    /// Hazards: for each kind, the number of runs and an example.
    pub hazards: Vec<String>,
    /// The reason why metrics are missing, by metric.
    pub missing: BTreeMap<String, String>,
    /// Notes from planning.
    pub notes: Vec<String>,
    /// The findings as sentences.
    pub findings: Vec<String>,
}

/// The results of a category.
#[derive(Debug, Clone, Serialize)]
pub struct CategorySummary {
    pub category: Category,
    /// The rows in the order in which they ran.
    pub rows: Vec<Row>,
    /// Figures over all points.
    pub overall: Vec<Overall>,
}

/// An arm of a point compared with its reference.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Id of the point.
    pub id: String,
    pub workload: String,
    pub form: Form,
    pub size: u64,
    /// The arm.
    pub arm: String,
    /// The arm it is compared with.
    pub reference: String,
    /// The interpreter and, unless it is threads, the model: constant along a scaling curve.
    pub label: String,
    /// Number of workers, if it takes one.
    pub workers: Option<u32>,
    /// Figures by metric key.
    pub metrics: BTreeMap<String, MetricComparison>,
}

/// A metric of an arm and its reference.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MetricComparison {
    /// Median of the reference.
    pub reference: f64,
    /// Median of the arm.
    pub value: f64,
    /// Ratio of the arm to the reference, block by block.
    pub ratio: Option<Ratio>,
    /// The verdict.
    pub verdict: Verdict,
}

/// A metric over all points of a category.
#[derive(Debug, Clone, Serialize)]
pub struct Overall {
    /// Interpreter and model, as in [`Row::label`].
    pub label: String,
    /// The form.
    pub form: Form,
    pub metric: String,
    /// Number of rows.
    pub rows: usize,
    /// The paper's method: `gmean` with its interval over every run of every point. It treats runs
    /// of one point as independent, so its interval is too narrow.
    pub paper: Ratio,
    /// Our method: `ratio` with its interval, the median over blocks of the geometric mean over the
    /// points in a block.
    pub ours: Ratio,
}

/// A failed arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedArm {
    /// The point.
    pub what: String,
    /// The arm.
    pub arm: String,
    /// The reason.
    pub why: String,
    /// Whether its result was wrong.
    pub self_check: bool,
}

/// Prefix of the message of a workload whose result is wrong.
const SELF_CHECK_FAILED: &str = "self-check failed: ";

/// Summarizes a study.
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
            categories.push(CategorySummary { category, rows, overall });
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

/// Returns whether a record stopped before its end, but not because of a failure.
fn unfinished(record: &Record) -> bool {
    let failed = record.header.arms.iter().any(|a| record.has_failed(&a.id));
    !failed && (record.stopped.is_some() || record.comparison.is_none())
}

fn missing(study: &Study) -> BTreeMap<String, String> {
    let runs =
        || study.records.iter().flat_map(|(_, r)| &r.runs).filter(|r| r.outcome == Outcome::Ok);
    let seen: BTreeSet<&String> = runs().flat_map(|r| r.metrics.keys()).collect();
    runs().flat_map(|r| r.missing.clone()).filter(|(key, _)| !seen.contains(key)).collect()
}

fn failures(point: &Point, record: &Record) -> Vec<FailedArm> {
    let failed = record.header.arms.iter().filter_map(|arm| {
        let run = record.last_run(&arm.id).filter(|r| r.outcome != Outcome::Ok)?;
        let message = run
            .stderr
            .as_deref()
            .unwrap_or_default()
            .lines()
            .find_map(|l| l.strip_prefix(SELF_CHECK_FAILED));
        // If arms disagree, one of them is wrong, and it is not known which.
        let disagrees = matches!(run.outcome, Outcome::Invalid { .. });
        let why =
            message.map_or_else(|| run.outcome.to_string(), |m| format!("{SELF_CHECK_FAILED}{m}"));
        Some(FailedArm {
            what: what(point),
            arm: arm.id.clone(),
            why,
            self_check: message.is_some() || disagrees,
        })
    });
    failed.collect()
}

/// Returns the display name of a point.
pub fn what(point: &Point) -> String {
    named(&point.workload, point.form, point.size)
}

/// Returns the interpreter and, unless it is threads, the model.
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

impl MetricComparison {
    /// Returns the number of common blocks.
    pub fn blocks(&self) -> usize {
        self.ratio.map_or(0, |r| r.blocks)
    }

    /// Formats the ratio: `1.08 (1.06–1.11)`, or with the number of blocks if there are too few for
    /// a verdict.
    pub fn shown(&self) -> String {
        self.ratio.map_or_else(|| "-".into(), |r| r.to_string())
    }
}

/// Formats the paper's geometric mean with its interval.
pub fn shown_gmean(r: Ratio) -> String {
    match r.gmean_low.zip(r.gmean_high) {
        Some((low, high)) => format!("{} ({})", ratio(r.gmean), interval(low, high)),
        None => ratio(r.gmean),
    }
}
