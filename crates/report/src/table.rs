//! The table of `compare`: one row per arm, the baseline first; one column per metric, with its
//! unit in the heading.

use crate::{View, joules};
use std::collections::BTreeSet;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{self, Better, Metric, Unit};
use ungil_experiment::stats::{MIN_BLOCKS, Ratio, Verdict};
use ungil_format::{
    Align, BYTE_UNITS, ColumnUnit, ENERGY_UNITS, Fitted, TIME_UNITS, TextTable, counted, interval,
    ratio,
};

/// Metrics that have a column besides the headline and energy, from left to right, each with the
/// importance of its column: in a narrow terminal the least important are left out first.
const COLUMNS: [(&str, u32); 13] = [
    ("latency_p50_s", 80),
    ("latency_p99_s", 85),
    ("failed_share", 95),
    ("cpu_s", 75),
    ("busy_cores", 60),
    ("lock_wait_s", 50),
    ("gil_wait_s", 45),
    ("gc_s", 30),
    ("stop_world_s", 25),
    ("rss_peak_bytes", 70),
    ("pss_peak_bytes", 55),
    ("serialise_s", 20),
    ("startup_s", 10),
];
const VERDICT_IMPORTANCE: u32 = 100;
const INTERVAL_IMPORTANCE: u32 = 90;
const ENERGY_IMPORTANCE: u32 = 65;
const ABOVE_IDLE_IMPORTANCE: u32 = 40;

/// Metrics that have a column only if they exceed this share of some arm's time.
const MIN_SHARES: [(&str, f64); 5] = [
    ("lock_wait_s", 0.02),
    ("gil_wait_s", 0.02),
    ("gc_s", 0.02),
    ("stop_world_s", 0.02),
    ("startup_s", 0.1),
];

/// Renders the table of a record in at most `width` columns of a terminal; `None` is unlimited.
///
/// Columns without information are hidden: a metric that no arm has, failures if nothing failed,
/// waits and start-up that hardly take time, PSS where every arm is one process (it is RSS less
/// shared libraries), energy without a sensor.
pub fn table(view: View<'_>, width: Option<usize>) -> Fitted {
    let arms = &view.comparison.arms;
    let mut table = TextTable::new();
    table.add("arm", Align::Left, arms.iter().map(|a| a.arm.clone()).collect());
    if let Some(headline) = metric::find(&view.comparison.headline) {
        let (heading, cells) = metric_cells(view, headline);
        table.add(heading, Align::Right, cells);
        add_ratios(&mut table, view, headline);
    }
    let columns = COLUMNS.iter().filter_map(|(key, rank)| Some((metric::find(key)?, *rank)));
    for (metric, importance) in columns.filter(|(metric, _)| has_column(view, metric.key)) {
        let (heading, cells) = metric_cells(view, metric);
        table.add_optional(importance, heading, Align::Right, cells);
    }
    add_energy(&mut table, view);
    table.fit(width)
}

/// Returns the line below the table: the number of blocks, and what ratios are.
pub(crate) fn caption(view: View<'_>) -> String {
    let comparison = view.comparison;
    let blocks = counted(comparison.blocks, "block");
    let ratios = comparison.arms.iter().any(|a| headline_ratio(view, a).is_some());
    match ratios {
        false => format!("{blocks}."),
        true if comparison.blocks < MIN_BLOCKS => format!(
            "{blocks}: ratios are medians against {}; fewer than five blocks decide nothing.",
            comparison.baseline
        ),
        true => format!(
            "{blocks}: ratios are medians against {}, with 95 % confidence intervals.",
            comparison.baseline
        ),
    }
}

/// Returns the heading and the cells of a metric's column for all arms.
fn metric_cells(view: View<'_>, metric: &Metric) -> (String, Vec<String>) {
    let arms: Vec<&ArmFigures> = view.comparison.arms.iter().collect();
    column(&arms, metric, |arm| figure(view, arm, metric.key))
}

/// Returns a metric's column: the heading with the unit, and the value of each arm in that unit.
pub(crate) fn column(
    arms: &[&ArmFigures],
    metric: &Metric,
    value: impl Fn(&ArmFigures) -> Option<f64>,
) -> (String, Vec<String>) {
    let values: Vec<Option<f64>> = arms.iter().map(|arm| value(arm)).collect();
    let unit = column_unit(metric.unit, values.iter().flatten().copied());
    let cell = |(arm, value): (&&ArmFigures, Option<f64>)| match value {
        Some(value) => unit.format(value),
        None => blank(arm, metric.key),
    };
    let heading = match metric.unit {
        Unit::PerSecond => format!("{}/s", metric.title),
        _ => unit.heading(metric.title),
    };
    (heading, arms.iter().zip(values).map(cell).collect())
}

fn column_unit(unit: Unit, values: impl Iterator<Item = f64>) -> ColumnUnit {
    match unit {
        Unit::Seconds => ColumnUnit::choose(values, TIME_UNITS),
        Unit::Bytes => ColumnUnit::choose(values, BYTE_UNITS),
        Unit::Joules => ColumnUnit::choose(values, ENERGY_UNITS),
        Unit::Share => ColumnUnit::PERCENT,
        Unit::PerSecond | Unit::Number => ColumnUnit::NONE,
    }
}

/// Adds the headline metric's ratio with the baseline, its interval and its verdict.
fn add_ratios(table: &mut TextTable, view: View<'_>, headline: &Metric) {
    let comparison = view.comparison;
    let arms = || comparison.arms.iter().map(|arm| (arm, headline_ratio(view, arm)));
    if comparison.arms.len() > 1 {
        let one = |arm: &ArmFigures| if is_baseline(view, arm) { "1" } else { "-" };
        let cells = arms().map(|(arm, r)| r.map_or_else(|| one(arm).into(), |r| ratio(r.ratio)));
        table.add("ratio", Align::Right, cells.collect());
        if arms().any(|(_, r)| r.is_some()) {
            let cells = arms().map(|(_, r)| r.map_or_else(String::new, |r| interval_cell(&r)));
            table.add_optional(INTERVAL_IMPORTANCE, "95 % CI", Align::Left, cells.collect());
        }
    }
    let cells = comparison.arms.iter().map(|arm| verdict_cell(view, arm, headline).to_string());
    table.add_optional(VERDICT_IMPORTANCE, "verdict", Align::Left, cells.collect());
    // The caption states the number of blocks; a ratio may have fewer.
    let odd = |r: &Ratio| r.blocks >= MIN_BLOCKS && r.blocks != comparison.blocks;
    if arms().any(|(_, r)| r.is_some_and(|r| odd(&r))) {
        let cells = arms().map(|(_, r)| r.map_or_else(String::new, |r| r.blocks.to_string()));
        table.add_optional(INTERVAL_IMPORTANCE, "blocks", Align::Right, cells.collect());
    }
}

/// Returns a ratio's interval, or its number of blocks if they are too few for one.
fn interval_cell(ratio: &Ratio) -> String {
    match ratio.blocks {
        few if few < MIN_BLOCKS => counted(few, "block"),
        _ => interval(ratio.low, ratio.high),
    }
}

fn headline_ratio(view: View<'_>, arm: &ArmFigures) -> Option<Ratio> {
    arm.metrics.get(&view.comparison.headline)?.baseline.as_ref()?.ratio
}

fn is_baseline(view: View<'_>, arm: &ArmFigures) -> bool {
    arm.arm == view.comparison.baseline
}

fn verdict_cell(view: View<'_>, arm: &ArmFigures, headline: &Metric) -> &'static str {
    let figure = arm.metrics.get(headline.key);
    match figure.map(|f| f.baseline.as_ref()) {
        _ if arm.failed.is_some() => "failed",
        None if arm.runs == 0 => "no runs",
        None => "-",
        Some(None) if is_baseline(view, arm) => "baseline",
        Some(None) => "-",
        Some(Some(versus)) => verdict_word(versus.verdict, headline),
    }
}

/// Adds the energy of each arm, with its evidence in the heading and, where a model made it, its
/// band; and the part above idle where that was measured.
fn add_energy(table: &mut TextTable, view: View<'_>) {
    let arms = &view.comparison.arms;
    let values = |key: &str| arms.iter().map(|a| figure(view, a, key)).collect::<Vec<_>>();
    let energy = values("energy_j");
    let Some(sensor) = joules::sensor(view).filter(|_| energy.iter().any(Option::is_some)) else {
        return;
    };
    let bands: Vec<_> = arms.iter().map(|a| joules::band(view, &a.arm)).collect();
    let unit = ColumnUnit::choose(energy.iter().flatten().copied(), ENERGY_UNITS);
    let with_band = |joules: f64, band: Option<(f64, f64)>| match band {
        None => unit.format(joules),
        Some((low, high)) => {
            format!("{} ({}–{})", unit.format(joules), unit.format(low), unit.format(high))
        }
    };
    let cells = arms.iter().zip(energy.iter().zip(&bands)).map(|(arm, (joules, band))| {
        joules.map_or_else(|| blank(arm, "energy_j"), |joules| with_band(joules, *band))
    });
    let cells = cells.collect();
    let title = format!("energy ({})", joules::class(sensor.evidence));
    table.add_optional(ENERGY_IMPORTANCE, unit.heading(&title), Align::Right, cells);
    let above = values("energy_above_idle_j");
    if above.iter().any(Option::is_some) && bands.iter().all(Option::is_none) {
        let unit = ColumnUnit::choose(above.iter().flatten().copied(), ENERGY_UNITS);
        let cells = arms.iter().zip(above).map(|(arm, joules)| {
            joules.map_or_else(|| blank(arm, "energy_above_idle_j"), |j| unit.format(j))
        });
        let heading = unit.heading("above idle");
        table.add_optional(ABOVE_IDLE_IMPORTANCE, heading, Align::Right, cells.collect());
    }
}

/// Returns whether a metric has a column.
fn has_column(view: View<'_>, key: &str) -> bool {
    let arms = &view.comparison.arms;
    let values: Vec<(f64, &ArmFigures)> =
        arms.iter().filter_map(|a| Some((figure(view, a, key)?, a))).collect();
    let min_share = MIN_SHARES.iter().find(|(k, _)| *k == key).map(|(_, share)| *share);
    match (key, min_share) {
        _ if values.is_empty() || key == view.comparison.headline => false,
        (_, Some(share)) => {
            let time = |arm| figure(view, arm, "wall_s").unwrap_or(0.0);
            values.iter().any(|(value, arm)| *value > share * time(arm))
        }
        ("failed_share", _) => arms.iter().any(|a| a.requests.is_some_and(|r| r.failed > 0.0)),
        ("pss_peak_bytes", _) => {
            let processes: BTreeSet<u64> = arms
                .iter()
                .filter_map(|a| Some(figure(view, a, "processes_peak")? as u64))
                .collect();
            processes.last().is_none_or(|most| *most > 1)
        }
        _ => true,
    }
}

/// Returns an arm's median of a metric. An arm that marks no phase has the start-up time of its
/// bare interpreter, which is measured apart.
fn figure(view: View<'_>, arm: &ArmFigures, key: &str) -> Option<f64> {
    // The share over all requests: a median over blocks would hide one block of failures.
    let share = arm.requests.filter(|_| key == "failed_share").and_then(|r| r.share());
    let own = share.or_else(|| arm.metrics.get(key).map(|f| f.median));
    own.or_else(|| {
        view.record.bare_startup_s(&arm.arm).filter(|_| key == "startup_s" && arm.runs > 0)
    })
}

/// Returns the cell of a figure that is missing: `n/a` where it could not be measured. It is never
/// empty, and never a zero.
fn blank(arm: &ArmFigures, key: &str) -> String {
    if arm.missing.contains_key(key) { "n/a" } else { "-" }.into()
}

/// Names a verdict in the words that fit a metric.
pub(crate) fn verdict_word(verdict: Verdict, metric: &Metric) -> &'static str {
    let time = metric.key == "wall_s";
    match (verdict, metric.better) {
        (Verdict::Same, _) => "same",
        (Verdict::Inconclusive, _) => "inconclusive",
        (Verdict::Less, Better::Less) if time => "faster",
        (Verdict::More, Better::Less) if time => "slower",
        (Verdict::More, Better::More) => "faster",
        (Verdict::Less, Better::More) => "slower",
        (Verdict::Less, _) => "less",
        (Verdict::More, _) => "more",
    }
}
