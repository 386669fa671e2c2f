//! Compares the runs of a record, arm by arm and metric by metric.

use crate::arm::Arm;
use crate::comparison::{ArmFigures, Comparison, Figure, Versus};
use crate::metric;
use crate::record::{Outcome, Record, Run};
use crate::requests::{Requests, incomparable};
use crate::stats::{self, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Compares every arm of a record with the first, and free-threaded arms also with their GIL
/// builds.
pub fn compare(record: &Record) -> Comparison {
    let arms = &record.header.arms;
    let runs: Vec<&Run> =
        record.runs.iter().filter(|r| r.block > 0 && r.outcome == Outcome::Ok).collect();
    let of = |arm: &str| -> Vec<&Run> { runs.iter().copied().filter(|r| r.arm == arm).collect() };
    let seed = record.header.settings.seed;
    let baseline = arms.first();
    let base_runs = baseline.map(|b| of(&b.id)).unwrap_or_default();
    let mut figures = Vec::new();
    let mut noise = BTreeMap::new();
    for arm in arms {
        let mine = of(&arm.id);
        let twin =
            arm.twin(arms).filter(|t| Some(t.id.as_str()) != baseline.map(|b| b.id.as_str()));
        let twin_runs = twin.map(|t| of(&t.id)).unwrap_or_default();
        let keys: BTreeSet<&String> = mine.iter().flat_map(|r| r.metrics.keys()).collect();
        let mut metrics = BTreeMap::new();
        for key in keys {
            let values: Vec<f64> =
                mine.iter().filter_map(|r| r.metrics.get(key).copied()).collect();
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
            failed: record
                .last_run(&arm.id)
                .filter(|r| r.outcome != Outcome::Ok)
                .map(|r| r.outcome.to_string()),
            missing: mine
                .iter()
                .flat_map(|r| r.missing.clone())
                .filter(|(k, _)| !metrics.contains_key(k))
                .collect(),
            requests: requests(&mine),
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

/// Sums the requests of an arm's runs.
fn requests(runs: &[&Run]) -> Option<Requests> {
    Requests::of(runs.iter().map(|run| &run.metrics))
}

fn versus(key: &str, mine: (&str, &[&Run]), theirs: (&str, &[&Run]), seed: u64) -> Versus {
    let ((me, mine), (arm, theirs)) = (mine, theirs);
    let answer = |ratio, verdict, why| Versus { arm: arm.into(), ratio, verdict, why };
    let failures = incomparable(key, (me, requests(mine)), (arm, requests(theirs)));
    if failures.is_some() {
        return answer(None, Verdict::Inconclusive, failures);
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
    // Zero throughput means that no work was done: two arms that served nothing are not "the same".
    let idle_counts = metric::find(key).is_some_and(|m| m.better == metric::Better::More);
    if let Some(why) = not_positive(&pairs, me, arm, idle_counts) {
        return answer(ratio, Verdict::Inconclusive, Some(why));
    }
    let verdict = match &ratio {
        Some(ratio) => ratio.verdict(margin),
        // Zero on both sides in every block, for example nothing swapped or nothing failed.
        None if pairs.len() >= stats::MIN_BLOCKS => Verdict::Same,
        None => Verdict::Inconclusive,
    };
    answer(ratio, verdict, None)
}

/// Names the blocks in which exactly one arm's value is not positive; with `both`, also those in
/// which neither value is positive. Such a block has no ratio, and the ratio of the other blocks
/// does not describe it.
fn not_positive(pairs: &[(u32, f64, f64)], me: &str, arm: &str, both: bool) -> Option<String> {
    /// Maximum number of blocks named; beyond it, a count is given.
    const MAX_NAMED: usize = 5;
    let side = |id: &str, pick: &dyn Fn(&(u32, f64, f64)) -> f64| {
        let apart = |p: &&(u32, f64, f64)| (both || p.1 != p.2) && pick(p) <= 0.0;
        let found: Vec<&(u32, f64, f64)> = pairs.iter().filter(apart).collect();
        let what = if found.iter().all(|p| pick(p) == 0.0) { "0" } else { "not above 0" };
        let mut blocks: Vec<String> =
            found.iter().take(MAX_NAMED).map(|p| p.0.to_string()).collect();
        if found.len() > MAX_NAMED {
            blocks.push(format!("{} more", found.len() - MAX_NAMED));
        }
        let blocks = match &blocks[..] {
            [] => return None,
            [one] => format!("block {one}"),
            [first @ .., last] => format!("blocks {} and {last}", first.join(", ")),
        };
        Some(format!("{id} has {what} in {blocks}"))
    };
    let sides: Vec<String> =
        [side(me, &|p| p.1), side(arm, &|p| p.2)].into_iter().flatten().collect();
    (!sides.is_empty()).then(|| sides.join(", "))
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

    fn compared(key: &str, pairs: &[(f64, f64)]) -> Versus {
        let side = |arm: &str, pick: fn(&(f64, f64)) -> f64| -> Vec<Run> {
            (1..).zip(pairs).map(|(block, p)| run(arm, block, &[(key, pick(p))])).collect()
        };
        let (mine, theirs) = (side("3.14t", |p| p.0), side("3.14", |p| p.1));
        let (mine, theirs): (Vec<_>, Vec<_>) = (mine.iter().collect(), theirs.iter().collect());
        versus(key, ("3.14t", &mine), ("3.14", &theirs), 7)
    }

    #[test]
    fn names_blocks_with_zero_and_keeps_the_ratio_of_the_others() {
        let mut pairs = vec![(20.0, 10.0); 9];
        pairs[3].0 = 0.0;
        let found = compared("throughput_per_s", &pairs);
        assert_eq!(found.ratio.map(|r| (r.ratio.round(), r.blocks)), Some((2.0, 8)));
        assert_eq!(found.verdict, Verdict::Inconclusive);
        assert_eq!(found.why.as_deref(), Some("3.14t has 0 in block 4"));
        pairs[6].1 = 0.0;
        pairs[8].1 = 0.0;
        let why = compared("throughput_per_s", &pairs).why;
        assert_eq!(why.as_deref(), Some("3.14t has 0 in block 4, 3.14 has 0 in blocks 7 and 9"));
    }

    #[test]
    fn zero_on_both_sides_is_no_difference() {
        assert_eq!(compared("gc_s", &[(0.0, 0.0); 5]).verdict, Verdict::Same);
        assert_eq!(compared("gc_s", &[(0.0, 0.0); 4]).verdict, Verdict::Inconclusive);
        let idle = compared("throughput_per_s", &[(0.0, 0.0); 5]);
        assert_eq!(idle.verdict, Verdict::Inconclusive, "two arms that served nothing");
        assert!(idle.why.is_some_and(|w| w.contains("3.14t has 0 in blocks 1, 2, 3, 4 and 5")));
        let mut pairs = vec![(20.0, 10.0); 6];
        pairs[2] = (0.0, 0.0);
        let found = compared("gc_s", &pairs);
        assert_eq!((found.verdict, found.why), (Verdict::More, None));
    }

    #[test]
    fn failing_service_has_no_verdict() {
        let runs = |arm: &str, failed: f64| -> Vec<Run> {
            let metrics =
                [("throughput_per_s", 1e4), ("requests", 1e4), ("failed_requests", failed)];
            (1..=6).map(|block| run(arm, block, &metrics)).collect()
        };
        let (mine, theirs) = (runs("3.14t", 3e3), runs("3.14", 0.0));
        let (mine, theirs): (Vec<_>, Vec<_>) = (mine.iter().collect(), theirs.iter().collect());
        let found = versus("throughput_per_s", ("3.14t", &mine), ("3.14", &theirs), 7);
        assert_eq!((found.ratio, found.verdict), (None, Verdict::Inconclusive));
        assert_eq!(found.why.as_deref(), Some("30.0 % of the requests to 3.14t failed"));
        assert_eq!(
            versus("requests", ("3.14t", &mine), ("3.14", &theirs), 7).verdict,
            Verdict::Same
        );
    }
}
