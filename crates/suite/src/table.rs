//! A summary as text: a table a category in the paper's form, the categories in one figure each,
//! what was left out, findings.

use crate::summary::{Beside, OfCategory, Overall, Row, Summary, shown_gmean};
use crate::workloads::{Category, Form, named};
use ungil_experiment::energy::Evidence;
use ungil_experiment::metric::find;
use ungil_experiment::stats::{LEAST_BLOCKS, Ratio, Verdict};
use ungil_format::{
    Align, BYTE_UNITS, ColumnUnit, ENERGY_UNITS, Fitted, POWER_UNITS, TIME_UNITS, TextTable,
    counted, interval, ratio,
};

/// Share of the workers' time from which waiting has a column.
const MIN_WAIT_SHARE: f64 = 0.02;

/// Renders everything for a terminal of `width` columns; `None` is unlimited.
pub fn text(summary: &Summary, width: Option<usize>) -> String {
    let reference = summary.pythons.first().map_or("nothing", String::as_str);
    let mut text = format!(
        "{}\n{} with everything else against {reference}, same number of workers; each pair reads {reference} → the arm\n",
        summary.machine,
        summary.pythons.join(", ")
    );
    for category in &summary.categories {
        let fitted = table(category, summary.evidence, width);
        text.push_str(&format!("\n{}\n{}", category.category.title(), fitted.text));
        text.push_str(&fitted.note("--wide or --json"));
        let overall = overall(category, summary.evidence);
        overall.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    if !summary.energy.is_empty() {
        text.push_str(&format!("\n{}: {}\n", energy(summary.evidence), summary.energy.join("; ")));
    }
    let mut lines = |head: &str, list: &[String]| {
        if !list.is_empty() {
            text.push('\n');
            list.iter().for_each(|line| text.push_str(&format!("{head} {line}\n")));
        }
    };
    lines("!", &cautions(summary));
    lines("-", &summary.findings);
    lines("-", &unknown(summary));
    text
}

/// What failed, what was left out, what puts figures in doubt.
pub fn cautions(summary: &Summary) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(
        summary.failed.iter().map(|f| format!("failed: {} on {}: {}", f.what, f.arm, f.why)),
    );
    if !summary.failed.is_empty() {
        all.push("figures of what failed are not used".into());
    }
    all.extend(summary.unreadable.iter().map(|s| format!("cannot be read: {}: {}", s.what, s.why)));
    all.extend(summary.skipped.iter().map(|s| format!("left out: {}: {}", s.what, s.why)));
    if !summary.unfinished.is_empty() {
        all.push(format!("not run to the end: {}", summary.unfinished.join(", ")));
    }
    all.extend(summary.hazards.iter().cloned());
    all
}

/// What could not be measured, and what was noted when it was planned.
pub fn unknown(summary: &Summary) -> Vec<String> {
    let missing = summary.missing.iter().map(|(key, why)| {
        let title = find(key).map_or(key.as_str(), |m| m.title);
        format!("Not known: {title} ({why}).")
    });
    missing.chain(summary.notes.iter().map(|n| format!("Note: {n}."))).collect()
}

/// How energy is headed: never without its evidence.
fn energy(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Meter => "energy (metered)",
        Evidence::Counter => "energy (counter)",
        Evidence::Model => "energy (model)",
        Evidence::None => "energy",
    }
}

/// A column of a category's table.
struct SuiteColumn {
    heading: String,
    align: Align,
    /// Importance in a narrow terminal; `None` for a column that is always shown.
    importance: Option<u32>,
    cells: Vec<String>,
}

/// Metrics with a column: title, key, and importance in a narrow terminal.
const METRICS: [(&str, &str, u32); 9] = [
    ("CPU %", "cpu_percent", 80),
    ("VMS", "vms_peak_bytes", 10),
    ("RSS", "rss_peak_bytes", 30),
    ("PSS", "pss_peak_bytes", 70),
    ("power", "power_w", 20),
    ("energy", "energy_j", 60),
    ("above idle", "energy_above_idle_j", 15),
    ("lock wait", "lock_wait_share", 50),
    ("GIL wait", "gil_wait_share", 40),
];
const VERDICT_IMPORTANCE: u32 = 100;
const INTERVAL_IMPORTANCE: u32 = 90;
const ENERGY_RATIO_IMPORTANCE: u32 = 65;

fn columns(category: &OfCategory, evidence: Evidence) -> Vec<SuiteColumn> {
    let rows = &category.rows;
    let add = |heading: &str, align, importance, cell: &dyn Fn(&Row) -> String| SuiteColumn {
        heading: heading.into(),
        align,
        importance,
        cells: rows.iter().map(cell).collect(),
    };
    let has_energy_ratio =
        rows.iter().any(|r| r.metrics.get("energy_j").is_some_and(|e| e.ratio.is_some()));
    let mut columns = vec![
        add("workload", Align::Left, None, &|r| named(&r.workload, r.form, r.size)),
        add("arm", Align::Left, None, &|r| r.arm.clone()),
        metric_column(rows, "time", "wall_s", None),
        add("ratio", Align::Right, None, &|r| ratio_cell(r, |r| ratio(r.ratio))),
        add("95 % CI", Align::Left, Some(INTERVAL_IMPORTANCE), &|r| ratio_cell(r, interval_of)),
        add("verdict", Align::Left, Some(VERDICT_IMPORTANCE), &|r| verdict(r).into()),
    ];
    for (title, key, importance) in METRICS.iter().filter(|(_, key, _)| is_informative(rows, key)) {
        let title = if *key == "energy_j" { energy(evidence) } else { title };
        columns.push(metric_column(rows, title, key, Some(*importance)));
    }
    if has_energy_ratio {
        let importance = Some(ENERGY_RATIO_IMPORTANCE);
        columns.push(add("energy ratio", Align::Right, importance, &|r| {
            r.metrics.get("energy_j").map_or_else(|| "-".into(), Beside::shown)
        }));
    }
    columns
}

/// Returns whether any row has a figure of a metric, and of a wait one that matters.
fn is_informative(rows: &[Row], key: &str) -> bool {
    let least = if key.ends_with("_share") { MIN_WAIT_SHARE } else { 0.0 };
    let mut figures = rows.iter().filter_map(|r| r.metrics.get(key));
    figures.any(|b| b.value > least || b.reference > least)
}

/// Returns a metric's column: pairs of the reference's and the arm's figure, in one unit.
fn metric_column(rows: &[Row], title: &str, key: &str, importance: Option<u32>) -> SuiteColumn {
    let figures: Vec<Option<&Beside>> = rows.iter().map(|r| r.metrics.get(key)).collect();
    let values = figures.iter().flatten().flat_map(|b| [b.reference, b.value]);
    let unit = match key {
        "wall_s" => ColumnUnit::choose(values, TIME_UNITS),
        "power_w" => ColumnUnit::choose(values, POWER_UNITS),
        "cpu_percent" => ColumnUnit::NONE,
        _ if key.ends_with("_bytes") => ColumnUnit::choose(values, BYTE_UNITS),
        _ if key.ends_with("_share") => ColumnUnit::PERCENT,
        _ => ColumnUnit::choose(values, ENERGY_UNITS),
    };
    let pair = |b: &&Beside| format!("{} → {}", unit.format(b.reference), unit.format(b.value));
    let cell = |b: &Option<&Beside>| b.as_ref().map_or_else(|| "n/a".into(), pair);
    SuiteColumn {
        heading: unit.heading(title),
        align: Align::Right,
        importance,
        cells: figures.iter().map(cell).collect(),
    }
}

/// Returns a category's table: its headings, and the cells of each row.
pub fn cells(category: &OfCategory, evidence: Evidence) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = columns(category, evidence);
    let head = columns.iter().map(|c| c.heading.clone()).collect();
    let row = |at: usize| columns.iter().filter_map(|c| c.cells.get(at).cloned()).collect();
    (head, (0..category.rows.len()).map(row).collect())
}

fn table(category: &OfCategory, evidence: Evidence, width: Option<usize>) -> Fitted {
    let mut table = TextTable::new();
    for SuiteColumn { heading, align, importance, cells } in columns(category, evidence) {
        match importance {
            None => table.add(heading, align, cells),
            Some(importance) => table.add_optional(importance, heading, align, cells),
        }
    }
    table.fit(width)
}

/// Formats a part of a row's ratio of time.
fn ratio_cell(row: &Row, format: impl Fn(Ratio) -> String) -> String {
    row.metrics.get("wall_s").and_then(|t| t.ratio).map_or_else(|| "-".into(), format)
}

/// Formats a ratio's interval, or its number of blocks if they are too few for one.
fn interval_of(ratio: Ratio) -> String {
    match ratio.blocks {
        few if few < LEAST_BLOCKS => counted(few, "block"),
        _ => interval(ratio.low, ratio.high),
    }
}

fn verdict(row: &Row) -> &'static str {
    match row.metrics.get("wall_s").map(|t| t.verdict) {
        Some(Verdict::Less) => "faster",
        Some(Verdict::More) => "slower",
        Some(Verdict::Same) => "same",
        Some(Verdict::Inconclusive) => "inconclusive",
        None => "-",
    }
}

/// A category in one figure a metric, the two ways.
pub fn overall(category: &OfCategory, evidence: Evidence) -> Vec<String> {
    let word = |o: &Overall| match (category.category, o.form) {
        (_, Form::Plain) | (Category::Shared, Form::Shared) => String::new(),
        (_, form) => format!(" {}", form.name()),
    };
    let line = |o: &Overall| {
        let title = match o.metric.as_str() {
            "energy_j" => energy(evidence),
            key => find(key).map_or(key, |m| m.title),
        };
        format!(
            "{} of {}{}, {title}: the paper's way {}, by blocks {}",
            if o.rows == 1 { "1 row".into() } else { format!("all {}", counted(o.rows, "row")) },
            o.label,
            word(o),
            shown_gmean(o.paper),
            o.ours
        )
    };
    category.overall.iter().map(line).collect()
}
