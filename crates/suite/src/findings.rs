//! Writes the findings of a suite as sentences: the figure first, then the paper's.
//!
//! The paper: J. D. Montoya Salazar, "Unlocking Python's Cores", arXiv 2603.04782; CPython 3.14.2,
//! 12 cores.

mod costs;
mod twins;

use crate::summary::{CategorySummary, MetricComparison, Overall, Row, Summary};
use crate::workloads::{Category, Form};
use std::collections::BTreeSet;
use ungil_experiment::energy::Evidence;
use ungil_experiment::stats::{MIN_BLOCKS, Ratio, Verdict};
use ungil_format::{counted, duration, interval, percent, ratio};

/// The paper's smallest ratio of times (independent work on threads): 4 times faster.
const PAPER_BEST: f64 = 0.25;
/// The paper's largest ratio of times (threads that change one list).
const PAPER_WORST: f64 = 12.18;
/// The paper's range of ratios of energy for sequential work.
const PAPER_SEQUENTIAL_ENERGY: (f64, f64) = (1.13, 1.43);

/// Returns the findings, one sentence or two each.
pub(crate) fn findings(summary: &Summary) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(independent(summary));
    all.extend(shared(summary));
    all.extend(sequential(summary));
    all.extend(numpy(summary));
    all.extend(costs::power(summary));
    all.extend(costs::memory(summary));
    all.extend(twins::findings(summary));
    all.extend(inconclusive(summary));
    all
}

fn rows(summary: &Summary) -> impl Iterator<Item = &Row> {
    summary.categories.iter().flat_map(|c| &c.rows)
}

fn rows_of<'a>(summary: &'a Summary, categories: &[Category]) -> impl Iterator<Item = &'a Row> {
    categories
        .iter()
        .filter_map(|wanted| summary.categories.iter().find(|c| c.category == *wanted))
        .flat_map(|c: &CategorySummary| &c.rows)
}

fn time(row: &Row) -> Option<&MetricComparison> {
    row.metrics.get("wall_s")
}

fn time_ratio(row: &Row) -> f64 {
    time(row).and_then(|t| t.ratio).map_or(1.0, |r| r.ratio)
}

fn has_verdict(row: &Row, verdict: Verdict) -> bool {
    time(row).is_some_and(|t| t.verdict == verdict)
}

/// Returns the label of the free-threaded build: the first interpreter after the reference that
/// runs without the GIL.
fn free_threaded(summary: &Summary) -> Option<&str> {
    summary.pythons.iter().skip(1).map(String::as_str).find(|p| !p.ends_with("+gil"))
}

/// Returns whether a row has enough blocks to be compared with the paper.
fn has_enough_blocks(row: &Row) -> bool {
    time(row).is_some_and(|t| t.blocks() >= MIN_BLOCKS)
}

/// Returns whether the energy is measured, not modelled.
fn is_measured(summary: &Summary) -> bool {
    matches!(summary.evidence, Evidence::Counter | Evidence::Meter)
}

/// Formats a ratio of times, such as `1.24x slower` or `2.00x faster`.
fn change(time: f64) -> String {
    match ratio(time).as_str() {
        "1.00" => "as fast".into(),
        _ if time > 1.0 => format!("{}x slower", ratio(time)),
        _ => format!("{}x faster", ratio(1.0 / time)),
    }
}

/// Formats the interval that belongs to [`change`]; `None` with too few blocks.
fn change_interval(time: &Ratio) -> Option<String> {
    (time.blocks >= MIN_BLOCKS).then(|| {
        let is_faster = time.ratio < 1.0 && ratio(time.ratio) != "1.00";
        if is_faster {
            interval(1.0 / time.high, 1.0 / time.low)
        } else {
            interval(time.low, time.high)
        }
    })
}

/// Formats what a ratio is based on, such as `1.19–1.21; 3 workloads, 5 blocks`.
fn basis(figure: &Ratio, interval: Option<String>, rows: &str) -> String {
    let blocks = counted(figure.blocks, "block");
    match interval {
        Some(interval) => format!("{interval}; {rows}, {blocks}"),
        None => format!("{rows}, {blocks}"),
    }
}

/// Counts rows as workloads if each is a different workload, otherwise as measurements.
fn unit(rows: &[&Row]) -> &'static str {
    let names: BTreeSet<&str> = rows.iter().map(|r| r.workload.as_str()).collect();
    if names.len() == rows.len() { "workload" } else { "measurement" }
}

/// Names one of `rows`: by its workload if that is unique, otherwise also by its size and arm.
fn name(row: &Row, rows: &[&Row]) -> String {
    match unit(rows) {
        "workload" => row.workload.clone(),
        _ => format!("{} {} ({})", row.workload, row.size, row.arm),
    }
}

/// The largest gain of threads that work independently.
fn independent(summary: &Summary) -> Option<String> {
    let free = free_threaded(summary)?;
    let is_threaded = |r: &&Row| {
        r.label == free && r.form == Form::Plain && r.workers.is_some_and(|workers| workers > 1)
    };
    let rows: Vec<&Row> =
        rows_of(summary, &[Category::Numerical, Category::Objects]).filter(is_threaded).collect();
    if rows.is_empty() {
        return None;
    }
    let faster: Vec<&&Row> = rows.iter().filter(|r| has_verdict(r, Verdict::Less)).collect();
    let paper = ratio(1.0 / PAPER_BEST);
    let all = counted(rows.len(), unit(&rows));
    let best = faster.iter().min_by(|a, b| time_ratio(a).total_cmp(&time_ratio(b)));
    let Some((best, time)) = best.and_then(|row| Some((row, time(row)?))) else {
        return Some(format!(
            "Independent threads: none of {all} is measurably faster without the GIL. The paper reports up to {paper}x."
        ));
    };
    let cpus = u32::try_from(summary.cpus).unwrap_or(u32::MAX);
    let workers = best.workers.unwrap_or(1).min(cpus).max(1);
    let limit = f64::from(workers);
    let is_less = time_ratio(best) > PAPER_BEST * 1.1;
    let comparison = if is_less && 1.0 / limit > PAPER_BEST * 0.9 {
        format!(
            "The paper reports up to {paper}x on 12 cores; {workers} cores allow at most {}x.",
            ratio(limit)
        )
    } else if is_less {
        format!("The paper reports more, up to {paper}x on 12 cores.")
    } else {
        format!("The paper reports up to {paper}x on 12 cores.")
    };
    Some(format!(
        "Independent threads: {} of {all} {} {}, {}x ({}; {} → {}). {comparison}",
        faster.len(),
        if faster.len() == 1 {
            "is faster without the GIL:"
        } else {
            "are faster without the GIL, most of all"
        },
        name(best, &rows),
        ratio(1.0 / time_ratio(best)),
        time.ratio.and_then(|r| change_interval(&r)).unwrap_or_default(),
        duration(time.reference),
        duration(time.value),
    ))
}

/// The largest loss of threads that share objects.
fn shared(summary: &Summary) -> Option<String> {
    let free = free_threaded(summary)?;
    let is_shared = |r: &&Row| {
        r.label == free
            && matches!(r.form, Form::Plain | Form::Shared)
            && r.workers.is_some_and(|workers| workers > 1)
    };
    let rows: Vec<&Row> =
        rows_of(summary, &[Category::Objects, Category::Shared]).filter(is_shared).collect();
    if rows.is_empty() {
        return None;
    }
    let slower: Vec<&&Row> = rows.iter().filter(|r| has_verdict(r, Verdict::More)).collect();
    let all = counted(rows.len(), unit(&rows));
    let worst = slower.iter().max_by(|a, b| time_ratio(a).total_cmp(&time_ratio(b)));
    let Some(worst) = worst else {
        return Some(format!(
            "Shared objects: none of {all} is measurably slower without the GIL. The paper reports up to {PAPER_WORST}x."
        ));
    };
    let interval = time(worst).and_then(|t| change_interval(&t.ratio?)).unwrap_or_default();
    let waits = worst.metrics.get("lock_wait_share").map_or_else(
        || "The time its threads waited for locks was not measured.".into(),
        |w| format!("Its threads waited for locks {} of the time.", percent(w.value)),
    );
    Some(format!(
        "Shared objects: {} of {all} {} {}, {}x ({interval}). {waits} The paper reports up to {PAPER_WORST}x on 12 cores.",
        slower.len(),
        if slower.len() == 1 {
            "is slower without the GIL:"
        } else {
            "are slower without the GIL, most of all"
        },
        name(worst, &rows),
        ratio(time_ratio(worst)),
    ))
}

/// Returns the overall figure of a category for the free-threaded build, and the number of
/// workloads it contains.
fn overall<'a>(
    summary: &'a Summary,
    category: Category,
    metric: &str,
) -> Option<(&'a Overall, String)> {
    let free = free_threaded(summary)?;
    let is_counted = |r: &&Row| r.label == free && r.form == Form::Plain;
    let rows: Vec<&Row> = rows_of(summary, &[category]).filter(is_counted).collect();
    let category = summary.categories.iter().find(|c| c.category == category)?;
    let overall = category
        .overall
        .iter()
        .find(|o| o.label == free && o.form == Form::Plain && o.metric == metric)?;
    Some((overall, counted(overall.rows, unit(&rows))))
}

fn sequential(summary: &Summary) -> Option<String> {
    let (time, rows) = overall(summary, Category::Sequential, "wall_s")?;
    let (low, high) = PAPER_SEQUENTIAL_ENERGY;
    let paper = format!(
        "The paper reports {:.0}-{:.0} % more energy",
        (low - 1.0) * 100.0,
        (high - 1.0) * 100.0
    );
    let comparison = match overall(summary, Category::Sequential, "energy_j") {
        Some((energy, _)) if is_measured(summary) => {
            let agreement = match energy.ours.combined_interval() {
                None => "there are too few blocks to compare",
                Some((least, most)) if least >= low && most <= high => "this agrees",
                Some((least, most)) if most < low || least > high => "this differs",
                Some(_) => "the intervals overlap",
            };
            let ours = &energy.ours;
            let interval = (ours.blocks >= MIN_BLOCKS).then(|| interval(ours.low, ours.high));
            format!(
                "Energy: {}x ({}). {paper}; {agreement}.",
                ratio(ours.ratio),
                basis(ours, interval, &rows)
            )
        }
        _ => format!("{paper}; this machine has no energy sensor, so energy is not comparable."),
    };
    Some(format!(
        "Sequential workloads: {} without the GIL ({}). {comparison}",
        change(time.ours.ratio),
        basis(&time.ours, change_interval(&time.ours), &rows)
    ))
}

fn numpy(summary: &Summary) -> Option<String> {
    let (time, rows) = overall(summary, Category::Numpy, "wall_s")?;
    let (verdict, paper) = match time.ours.verdict(0.02) {
        Verdict::Same => ("", "As in the paper, there is no difference."),
        Verdict::Inconclusive => ("inconclusive, ", "The paper reports no difference."),
        Verdict::Less | Verdict::More => ("", "The paper reports no difference."),
    };
    Some(format!(
        "NumPy workloads: {verdict}{} without the GIL ({}). {paper}",
        change(time.ours.ratio),
        basis(&time.ours, change_interval(&time.ours), &rows)
    ))
}

fn inconclusive(summary: &Summary) -> Option<String> {
    let all = rows(summary).count();
    let count = rows(summary).filter(|r| has_verdict(r, Verdict::Inconclusive)).count();
    let verb = if count == 1 { "is" } else { "are" };
    (count > 0).then(|| {
        format!(
            "{count} of {} {verb} inconclusive (fewer than {MIN_BLOCKS} blocks, or too wide an interval). Use more --blocks or a quieter machine.",
            counted(all, "time ratio")
        )
    })
}
