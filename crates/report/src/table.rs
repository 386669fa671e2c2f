//! The table: arms down, metrics across, the baseline first.

use crate::{View, joules};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use ungil_experiment::comparison::{ArmFigures, Figure};
use ungil_experiment::metric::{self, Better, Metric};
use ungil_experiment::stats::Verdict;

/// Metrics that have a column whenever any arm has them, besides the headline and energy.
const COLUMNS: [&str; 13] = [
    "latency_p50_s",
    "latency_p99_s",
    "failed_share",
    "cpu_s",
    "busy_cores",
    "lock_wait_s",
    "gil_wait_s",
    "gc_s",
    "stop_world_s",
    "rss_peak_bytes",
    "pss_peak_bytes",
    "serialise_s",
    "startup_s",
];

/// Of these, the ones that have a column only if they come to this share of some arm's time: most
/// programs hardly wait.
const WAITS: [&str; 4] = ["lock_wait_s", "gil_wait_s", "gc_s", "stop_world_s"];
const WORTH_A_COLUMN: f64 = 0.02;

/// The table of a record.
pub fn table(view: View<'_>) -> String {
    let comparison = view.comparison;
    let headline = metric::find(&comparison.headline);
    let worth = |arm: &ArmFigures, key: &str, value: f64| {
        let time = figure(view, arm, "wall_s").unwrap_or(0.0);
        !WAITS.contains(&key) || value > WORTH_A_COLUMN * time
    };
    let shown = |key: &str| {
        let some = comparison
            .arms
            .iter()
            .any(|a| figure(view, a, key).is_some_and(|value| worth(a, key, value)));
        // Nothing failed, or how much is not known: that is no column.
        let failed = |a: &ArmFigures| a.requests.is_some_and(|r| r.failed > 0.0);
        some && (key != "failed_share" || comparison.arms.iter().any(failed))
    };
    let columns: Vec<&Metric> =
        COLUMNS.iter().filter(|key| shown(key)).filter_map(|key| metric::find(key)).collect();
    let evidence = joules::sensor(view).map_or("no sensor", |s| joules::class(s.evidence));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut head = vec!["arm".to_string(), headline.map_or_else(String::new, |m| m.title.into())];
    head.push(format!("× {}", comparison.baseline));
    head.push(String::new());
    head.extend(columns.iter().map(|m| m.title.to_string()));
    head.push(format!("energy ({evidence})"));
    table.set_header(head.into_iter().enumerate().map(|(i, text)| aligned(text, i)));
    for arm in &comparison.arms {
        let mut row = vec![arm.arm.clone()];
        row.extend(headline_cells(arm, &comparison.headline, headline));
        row.extend(columns.iter().map(|m| {
            figure(view, arm, m.key).map_or_else(|| blank(arm, m.key), |v| metric::show(v, m.unit))
        }));
        row.push(joules::of_arm(view, &arm.arm).unwrap_or_else(|| blank(arm, "energy_j")));
        table.add_row(row.into_iter().enumerate().map(|(i, text)| aligned(text, i)));
    }
    table.to_string().lines().map(|l| l.trim_end().to_string() + "\n").collect()
}

/// An arm's median of a metric. Of an arm that marks no phase the start-up is its bare
/// interpreter's, measured apart.
fn figure(view: View<'_>, arm: &ArmFigures, key: &str) -> Option<f64> {
    // Of all requests: a median over blocks would hide one block of failures.
    let share = arm.requests.filter(|_| key == "failed_share").and_then(|r| r.share());
    let own = share.or_else(|| arm.metrics.get(key).map(|f| f.median));
    own.or_else(|| {
        view.record.bare_startup_s(&arm.arm).filter(|_| key == "startup_s" && arm.runs > 0)
    })
}

/// What stands where there is no figure: never an empty cell, never a zero.
fn blank(arm: &ArmFigures, key: &str) -> String {
    match arm.missing.get(key) {
        Some(why) if why.starts_with("no sensor") => "no sensor".into(),
        Some(_) => "not seen".into(),
        None => "-".into(),
    }
}

fn aligned(text: String, column: usize) -> Cell {
    let side = if column == 0 || column == 3 { CellAlignment::Left } else { CellAlignment::Right };
    Cell::new(text).set_alignment(side)
}

fn headline_cells(arm: &ArmFigures, key: &str, metric: Option<&Metric>) -> Vec<String> {
    let Some((figure, metric)) = arm.metrics.get(key).zip(metric) else {
        return vec![
            "-".into(),
            String::new(),
            arm.failed.clone().unwrap_or_else(|| "no run counts yet".into()),
        ];
    };
    let value = metric::show(figure.median, metric.unit);
    let mut cells = vec![value];
    match ratio(figure) {
        Some((ratio, verdict)) => cells.extend([ratio, verdict_word(verdict, metric).into()]),
        None => cells.extend(["1".into(), "baseline".into()]),
    }
    if let Some(why) = &arm.failed {
        cells[2] = format!("failed: {why}");
    }
    cells
}

fn ratio(figure: &Figure) -> Option<(String, Verdict)> {
    let versus = figure.baseline.as_ref()?;
    let shown = versus.ratio.map_or_else(|| "-".into(), |r| r.to_string());
    Some((shown, versus.verdict))
}

/// A verdict in the words that fit a metric.
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
