//! Computes rows and overall figures from records: runs paired by block, medians, ratios.

use super::{MetricComparison, Overall, Row, label, reference};
use crate::plan::Point;
use crate::workloads::Form;
use std::collections::{BTreeMap, BTreeSet};
use ungil_experiment::energy::Evidence;
use ungil_experiment::metric;
use ungil_experiment::record::{Outcome, Record, Run};
use ungil_experiment::stats::{self, Verdict};

/// Metrics with overall figures per category.
const OVERALL: [&str; 6] = [
    "wall_s",
    "energy_j",
    "energy_above_idle_j",
    "vms_peak_bytes",
    "rss_peak_bytes",
    "pss_peak_bytes",
];

/// The pairs of a row by metric: block, value of the arm, value of the reference.
pub(super) type Pairs = BTreeMap<&'static str, Vec<(u32, f64, f64)>>;

pub(super) fn add_rows(point: &Point, record: &Record, rows: &mut Vec<Row>, all: &mut Vec<Pairs>) {
    let arms = &record.header.arms;
    let cpus = record.header.machine.cpus.max(1) as f64;
    for arm in arms {
        let Some(reference) = reference(arm, arms) else { continue };
        // The arms of the reference interpreter have no rows.
        if label(arm) == label(reference)
            || record.has_failed(&arm.id)
            || record.has_failed(&reference.id)
        {
            continue;
        }
        let of = |id: &str| -> Vec<&Run> {
            record
                .runs
                .iter()
                .filter(|r| r.arm == id && r.block > 0 && r.outcome == Outcome::Ok)
                .collect()
        };
        let (mine, theirs) = (of(&arm.id), of(&reference.id));
        let (mut metrics, mut pairs) = (BTreeMap::new(), Pairs::new());
        for key in KEYS {
            let value = |run: &Run| figure(run, key, cpus, arm.workers);
            let both: Vec<(u32, f64, f64)> = mine
                .iter()
                .filter_map(|run| {
                    let other = theirs.iter().find(|o| o.block == run.block)?;
                    Some((run.block, value(run)?, value(other)?))
                })
                .collect();
            let column =
                |pick: fn(&(u32, f64, f64)) -> f64| both.iter().map(pick).collect::<Vec<_>>();
            let medians = stats::median(&column(|p| p.1)).zip(stats::median(&column(|p| p.2)));
            let Some((value, theirs)) = medians else { continue };
            let flat: Vec<(f64, f64)> = both.iter().map(|p| (p.1, p.2)).collect();
            let ratio = stats::paired(&flat, record.header.settings.seed)
                .filter(|_| !modelled(record, key));
            let margin = metric::find(key).map_or(0.02, |m| m.margin);
            let verdict = ratio.map_or(Verdict::Inconclusive, |r| r.verdict(margin));
            metrics.insert(
                key.to_string(),
                MetricComparison { reference: theirs, value, ratio, verdict },
            );
            if ratio.is_some() {
                pairs.insert(key, both);
            }
        }
        if metrics.is_empty() {
            continue;
        }
        all.push(pairs);
        rows.push(Row {
            id: point.id.clone(),
            workload: point.workload.clone(),
            form: point.form,
            size: point.size,
            arm: arm.id.clone(),
            reference: reference.id.clone(),
            label: label(arm),
            workers: arm.workers,
            metrics,
        });
    }
}

/// Returns whether a figure comes from the energy model: a ratio of two such figures says nothing
/// about energy.
fn modelled(record: &Record, key: &str) -> bool {
    let sensor = record.header.sensors.first().map(|s| s.evidence);
    sensor == Some(Evidence::Model) && (key.starts_with("energy") || key == "power_w")
}

/// The keys of [`Row::metrics`]: those of the record, and derived ones.
pub const KEYS: [&str; 12] = [
    "wall_s",
    "cpu_s",
    "cpu_percent",
    "vms_peak_bytes",
    "rss_peak_bytes",
    "pss_peak_bytes",
    "power_w",
    "energy_j",
    "energy_idle_j",
    "energy_above_idle_j",
    "lock_wait_share",
    "gil_wait_share",
];

/// Returns a figure of a run. Derived figures: CPU use in percent of all CPUs, watts, idle energy,
/// and the share of the workers' time spent waiting.
fn figure(run: &Run, key: &str, cpus: f64, workers: Option<u32>) -> Option<f64> {
    let get = |key: &str| run.metrics.get(key).copied();
    let wall_s = get("wall_s").filter(|w| *w > 0.0)?;
    let workers = f64::from(workers.unwrap_or(1));
    match key {
        "cpu_percent" => Some(100.0 * get("cpu_s")? / (wall_s * cpus)),
        "power_w" => Some(get("energy_j")? / wall_s),
        "energy_idle_j" => Some(get("energy_j")? - get("energy_above_idle_j")?),
        "lock_wait_share" => Some(get("lock_wait_s")? / (wall_s * workers)),
        "gil_wait_share" => Some(get("gil_wait_s")? / (wall_s * workers)),
        key => get(key),
    }
}

pub(super) fn overall(rows: &[Row], pairs: &[Pairs]) -> Vec<Overall> {
    let groups: BTreeSet<(Form, &str)> = rows.iter().map(|r| (r.form, r.label.as_str())).collect();
    let mut all = Vec::new();
    for (form, label) in groups {
        for key in OVERALL {
            let of: Vec<&Vec<(u32, f64, f64)>> = rows
                .iter()
                .zip(pairs)
                .filter(|(r, _)| r.form == form && r.label == label)
                .filter_map(|(_, p)| p.get(key))
                .collect();
            let runs: Vec<(f64, f64)> =
                of.iter().flat_map(|p| p.iter().map(|(_, a, b)| (*a, *b))).collect();
            let blocks = blocks(&of);
            if let Some((paper, ours)) = stats::paired(&runs, 1).zip(stats::paired(&blocks, 1)) {
                let (label, metric) = (label.to_string(), key.to_string());
                all.push(Overall { label, form, metric, rows: of.len(), paper, ours });
            }
        }
    }
    all
}

/// Returns the geometric mean of the ratios for each block that every point has, paired with 1.
fn blocks(of: &[&Vec<(u32, f64, f64)>]) -> Vec<(f64, f64)> {
    let mut numbers =
        of.iter().map(|p| p.iter().map(|(block, ..)| *block).collect::<BTreeSet<u32>>());
    let first = numbers.next().unwrap_or_default();
    let common = numbers.fold(first, |common, more| common.intersection(&more).copied().collect());
    let mean = |block: u32| {
        let logs = of
            .iter()
            .flat_map(|p| p.iter().filter(|(b, ..)| *b == block))
            .map(|(_, a, b)| (a / b).ln());
        let logs: Vec<f64> = logs.collect();
        (logs.iter().sum::<f64>() / logs.len() as f64).exp()
    };
    common.into_iter().map(|block| (mean(block), 1.0)).collect()
}
