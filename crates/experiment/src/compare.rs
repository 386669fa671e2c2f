//! The comparison: what the runs of a record say, arm by arm and metric by metric.

use crate::arm::Arm;
use crate::metric;
use crate::record::{Outcome, Record, Run};
use crate::stats::{self, Ratio, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Every arm against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The arm every other is compared with.
    pub baseline: String,
    /// The metric that decides when there are enough blocks: `wall_s`, or `throughput_per_s` for a service.
    pub headline: String,
    /// Blocks in which at least one arm ran, warm-up not counted.
    pub blocks: usize,
    /// The arms, in the experiment's order.
    pub arms: Vec<ArmFigures>,
    /// What noise alone looked like (`--aa`): the baseline against itself, by metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise: BTreeMap<String, Versus>,
}

/// One arm's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmFigures {
    /// The arm's id.
    pub arm: String,
    /// Runs that count.
    pub runs: usize,
    /// Why the arm has no figures, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Its figures by metric.
    pub metrics: BTreeMap<String, Figure>,
    /// What could not be measured and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

/// One metric of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Median over the runs.
    pub median: f64,
    /// Lower and upper quartile.
    pub quartiles: (f64, f64),
    /// This arm against the baseline; absent for the baseline itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Versus>,
    /// A free-threaded arm against the GIL build with the same model and workers, where that is not the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Versus>,
}

/// A ratio with another arm and what it allows to be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// The other arm.
    pub arm: String,
    /// This arm's value over the other's, where both are positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// The verdict at this metric's margin.
    pub verdict: Verdict,
}

/// Compares every arm of a record with its first, and free-threaded arms with their twins.
pub fn compare(record: &Record) -> Comparison {
    let arms = &record.header.arms;
    let runs: Vec<&Run> = record.runs.iter().filter(|r| r.block > 0 && r.outcome == Outcome::Ok).collect();
    let of = |arm: &str| -> Vec<&Run> { runs.iter().copied().filter(|r| r.arm == arm).collect() };
    let seed = record.header.settings.seed;
    let baseline = arms.first();
    let base_runs = baseline.map(|b| of(&b.id)).unwrap_or_default();
    let mut figures = Vec::new();
    let mut noise = BTreeMap::new();
    for arm in arms {
        let mine = of(&arm.id);
        let twin = arm.twin(arms).filter(|t| Some(t.id.as_str()) != baseline.map(|b| b.id.as_str()));
        let twin_runs = twin.map(|t| of(&t.id)).unwrap_or_default();
        let keys: BTreeSet<&String> = mine.iter().flat_map(|r| r.metrics.keys()).collect();
        let mut metrics = BTreeMap::new();
        for key in keys {
            let values: Vec<f64> = mine.iter().filter_map(|r| r.metrics.get(key).copied()).collect();
            let Some(median) = stats::median(&values) else { continue };
            let quartile = |q| stats::quantile(&values, q).unwrap_or(median);
            let against = |other: Option<&Arm>, theirs: &[&Run]| {
                other.filter(|o| o.id != arm.id).map(|o| versus(key, &mine, &o.id, theirs, seed))
            };
            let figure = Figure {
                median,
                quartiles: (quartile(0.25), quartile(0.75)),
                baseline: against(baseline, &base_runs),
                twin: against(twin, &twin_runs),
            };
            if let Some(v) = figure.baseline.as_ref().filter(|_| arm.again) {
                noise.insert(key.clone(), v.clone());
            }
            metrics.insert(key.clone(), figure);
        }
        figures.push(ArmFigures {
            arm: arm.id.clone(),
            runs: mine.len(),
            failed: record.last_run(&arm.id).filter(|r| r.outcome != Outcome::Ok).map(failure),
            missing: mine
                .iter()
                .flat_map(|r| r.missing.clone())
                .filter(|(k, _)| !metrics.contains_key(k))
                .collect(),
            metrics,
        });
    }
    let serves = matches!(record.header.workload, crate::workload::Workload::Serve { .. });
    Comparison {
        baseline: baseline.map(|b| b.id.clone()).unwrap_or_default(),
        headline: if serves { "throughput_per_s" } else { "wall_s" }.into(),
        blocks: runs.iter().map(|r| r.block).collect::<BTreeSet<_>>().len(),
        arms: figures,
        noise,
    }
}

/// How a run failed, in words.
pub fn failure(run: &Run) -> String {
    match &run.outcome {
        Outcome::Ok => "it did not fail".into(),
        Outcome::Exited { code } => format!("exit code {code}"),
        Outcome::Signaled { signal } => format!("ended by signal {signal} ({})", signal_name(*signal)),
        Outcome::TimedOut => "ran past --timeout and was ended".into(),
        Outcome::Invalid { why } => why.clone(),
    }
}

/// The usual name of a signal.
pub fn signal_name(signal: i32) -> &'static str {
    let names = [
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (15, "SIGTERM"),
    ];
    names.iter().find(|(n, _)| *n == signal).map_or("see kill -l", |(_, name)| name)
}

fn versus(key: &str, mine: &[&Run], arm: &str, theirs: &[&Run], seed: u64) -> Versus {
    let value = |run: &Run| run.metrics.get(key).copied();
    let pairs: Vec<(f64, f64)> = mine
        .iter()
        .filter_map(|run| {
            let other = theirs.iter().find(|other| other.block == run.block)?;
            Some((value(run)?, value(other)?))
        })
        .collect();
    let margin = metric::find(key).map_or(0.01, |m| m.margin);
    let ratio = stats::paired(&pairs, seed);
    let verdict = match &ratio {
        Some(ratio) => ratio.verdict(margin),
        // Zero on both sides in every block: nothing swapped, nothing failed.
        None if pairs.len() >= stats::LEAST_BLOCKS && pairs.iter().all(|(a, b)| a == b) => Verdict::Same,
        None => Verdict::CannotTell,
    };
    Versus { arm: arm.into(), ratio, verdict }
}

impl Comparison {
    /// The figures of one arm.
    pub fn arm(&self, id: &str) -> Option<&ArmFigures> {
        self.arms.iter().find(|a| a.arm == id)
    }

    /// The widest relative half-width of the headline metric's intervals against the baseline; `None` before there are
    /// two blocks: one has no width.
    pub fn precision(&self) -> Option<f64> {
        let ratios =
            self.arms.iter().filter(|a| a.failed.is_none()).filter_map(|a| a.metrics.get(&self.headline));
        let widths = ratios
            .filter_map(|f| f.baseline.as_ref())
            .map(|v| v.ratio.filter(|r| r.blocks > 1).map(|r| r.precision()));
        widths.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
    }
}
