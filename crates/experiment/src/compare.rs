//! The comparison: what the runs of a record say, arm by arm and metric by metric.

use crate::arm::Arm;
use crate::metric;
use crate::record::{Outcome, Record, Run};
use crate::served::{Requests, incomparable};
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
    /// A service's requests over all runs that count, where the load generator reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
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
    /// This arm's value over the other's, over the blocks in which both are positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// The verdict at this metric's margin.
    pub verdict: Verdict,
    /// The reason why the verdict is [`Verdict::CannotTell`] and further blocks would not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
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
                other.filter(|o| o.id != arm.id).map(|o| {
                    let (mine, theirs) = ((arm.id.as_str(), &mine[..]), (o.id.as_str(), theirs));
                    versus(key, mine, theirs, seed)
                })
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
            requests: Requests::of(&mine),
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

fn versus(key: &str, mine: (&str, &[&Run]), theirs: (&str, &[&Run]), seed: u64) -> Versus {
    let ((me, mine), (arm, theirs)) = (mine, theirs);
    let answer = |ratio, verdict, why| Versus { arm: arm.into(), ratio, verdict, why };
    let failures = incomparable(key, (me, Requests::of(mine)), (arm, Requests::of(theirs)));
    if failures.is_some() {
        return answer(None, Verdict::CannotTell, failures);
    }
    let value = |run: &Run| run.metrics.get(key).copied();
    let pairs: Vec<(u32, f64, f64)> = mine
        .iter()
        .filter_map(|run| {
            let other = theirs.iter().find(|other| other.block == run.block)?;
            Some((run.block, value(run)?, value(other)?))
        })
        .collect();
    let margin = metric::find(key).map_or(0.01, |m| m.margin);
    let positive: Vec<(f64, f64)> =
        pairs.iter().filter(|(_, a, b)| *a > 0.0 && *b > 0.0).map(|&(_, a, b)| (a, b)).collect();
    let ratio = stats::paired(&positive, seed);
    // No throughput at all is no work: two arms that served nothing are not the same.
    let idle_counts = metric::find(key).is_some_and(|m| m.better == metric::Better::More);
    if let Some(why) = not_positive(&pairs, me, arm, idle_counts) {
        return answer(ratio, Verdict::CannotTell, Some(why));
    }
    let verdict = match &ratio {
        Some(ratio) => ratio.verdict(margin),
        // Zero on both sides in every block: nothing swapped, nothing failed.
        None if pairs.len() >= stats::LEAST_BLOCKS => Verdict::Same,
        None => Verdict::CannotTell,
    };
    answer(ratio, verdict, None)
}

/// Names the blocks in which one arm's value is positive and the other's is not, and with `both` also those in which
/// neither is: such a block has no ratio, and the other blocks' ratio does not speak for it.
fn not_positive(pairs: &[(u32, f64, f64)], me: &str, arm: &str, both: bool) -> Option<String> {
    /// Blocks that are named; of more, the number is given.
    const NAMED: usize = 5;
    let side = |id: &str, pick: &dyn Fn(&(u32, f64, f64)) -> f64| {
        let apart = |p: &&(u32, f64, f64)| (both || p.1 != p.2) && pick(p) <= 0.0;
        let found: Vec<&(u32, f64, f64)> = pairs.iter().filter(apart).collect();
        let what = if found.iter().all(|p| pick(p) == 0.0) { "0" } else { "not above 0" };
        let mut blocks: Vec<String> = found.iter().take(NAMED).map(|p| p.0.to_string()).collect();
        if found.len() > NAMED {
            blocks.push(format!("{} more", found.len() - NAMED));
        }
        let blocks = match &blocks[..] {
            [] => return None,
            [one] => format!("block {one}"),
            [first @ .., last] => format!("blocks {} and {last}", first.join(", ")),
        };
        Some(format!("{id} has {what} in {blocks}"))
    };
    let sides: Vec<String> = [side(me, &|p| p.1), side(arm, &|p| p.2)].into_iter().flatten().collect();
    (!sides.is_empty()).then(|| sides.join(", "))
}

impl Comparison {
    /// The figures of one arm.
    pub fn arm(&self, id: &str) -> Option<&ArmFigures> {
        self.arms.iter().find(|a| a.arm == id)
    }

    /// The headline ratios that further blocks can decide: of arms that have not failed, against the baseline.
    fn decidable(&self) -> impl Iterator<Item = &Versus> {
        let arms = self.arms.iter().filter(|a| a.failed.is_none());
        let versus = arms.filter_map(|a| a.metrics.get(&self.headline)?.baseline.as_ref());
        versus.filter(|v| v.why.is_none())
    }

    /// Returns whether further blocks can decide anything.
    pub fn is_decidable(&self) -> bool {
        self.decidable().next().is_some()
    }

    /// The widest relative half-width of the headline metric's intervals against the baseline; `None` before there are
    /// two blocks: one has no width.
    pub fn precision(&self) -> Option<f64> {
        let widths = self.decidable().map(|v| v.ratio.filter(|r| r.blocks > 1).map(|r| r.precision()));
        widths.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arm: &str, block: u32, metrics: &[(&str, f64)]) -> Run {
        let metrics: serde_json::Map<String, serde_json::Value> =
            metrics.iter().map(|(k, v)| ((*k).to_string(), (*v).into())).collect();
        let run = serde_json::json!({
            "arm": arm, "block": block, "order": 0, "at_s": 0.0, "outcome": {"kind": "ok"}, "marked": true,
            "metrics": metrics, "counted_by": "proc",
            "probes": {"cpu_s": 0.0, "window_cpu_s": 0.0, "samples": 0, "share_samples": 0, "added_s": 0.0},
        });
        serde_json::from_value(run).expect("a run")
    }

    fn judged(key: &str, pairs: &[(f64, f64)]) -> Versus {
        let side = |arm: &str, pick: fn(&(f64, f64)) -> f64| -> Vec<Run> {
            (1..).zip(pairs).map(|(block, p)| run(arm, block, &[(key, pick(p))])).collect()
        };
        let (mine, theirs) = (side("3.14t", |p| p.0), side("3.14", |p| p.1));
        let (mine, theirs): (Vec<_>, Vec<_>) = (mine.iter().collect(), theirs.iter().collect());
        versus(key, ("3.14t", &mine), ("3.14", &theirs), 7)
    }

    #[test]
    fn a_zero_in_one_block_is_named_and_the_other_blocks_keep_their_ratio() {
        let mut pairs = vec![(20.0, 10.0); 9];
        pairs[3].0 = 0.0;
        let found = judged("throughput_per_s", &pairs);
        assert_eq!(found.ratio.map(|r| (r.ratio.round(), r.blocks)), Some((2.0, 8)));
        assert_eq!(found.verdict, Verdict::CannotTell);
        assert_eq!(found.why.as_deref(), Some("3.14t has 0 in block 4"));
        pairs[6].1 = 0.0;
        pairs[8].1 = 0.0;
        let why = judged("throughput_per_s", &pairs).why;
        assert_eq!(why.as_deref(), Some("3.14t has 0 in block 4, 3.14 has 0 in blocks 7 and 9"));
    }

    #[test]
    fn a_zero_on_both_sides_is_no_difference() {
        assert_eq!(judged("gc_s", &[(0.0, 0.0); 5]).verdict, Verdict::Same);
        assert_eq!(judged("gc_s", &[(0.0, 0.0); 4]).verdict, Verdict::CannotTell);
        let idle = judged("throughput_per_s", &[(0.0, 0.0); 5]);
        assert_eq!(idle.verdict, Verdict::CannotTell, "two arms that served nothing");
        assert!(idle.why.is_some_and(|w| w.contains("3.14t has 0 in blocks 1, 2, 3, 4 and 5")));
        let mut pairs = vec![(20.0, 10.0); 6];
        pairs[2] = (0.0, 0.0);
        let found = judged("gc_s", &pairs);
        assert_eq!((found.verdict, found.why), (Verdict::More, None));
    }

    #[test]
    fn a_service_that_fails_has_no_verdict() {
        let runs = |arm: &str, failed: f64| -> Vec<Run> {
            let metrics = [("throughput_per_s", 1e4), ("requests", 1e4), ("failed_requests", failed)];
            (1..=6).map(|block| run(arm, block, &metrics)).collect()
        };
        let (mine, theirs) = (runs("3.14t", 3e3), runs("3.14", 0.0));
        let (mine, theirs): (Vec<_>, Vec<_>) = (mine.iter().collect(), theirs.iter().collect());
        let found = versus("throughput_per_s", ("3.14t", &mine), ("3.14", &theirs), 7);
        assert_eq!((found.ratio, found.verdict), (None, Verdict::CannotTell));
        assert_eq!(found.why.as_deref(), Some("30.0 % of the requests to 3.14t failed"));
        assert_eq!(versus("requests", ("3.14t", &mine), ("3.14", &theirs), 7).verdict, Verdict::Same);
    }
}
