//! Renders a summary as text: a table per category in the paper's form, overall figures, hazards
//! and findings.

use crate::summary::{CategorySummary, MetricComparison, Overall, Row, Summary, shown_gmean};
use crate::workloads::{Category, Form, named};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use ungil_experiment::energy::Evidence;
use ungil_experiment::metric::find;
use ungil_experiment::stats::Verdict;
use ungil_format::{self as format, bytes, counted, duration, percent, power};

/// Minimum share of waiting time for which its column is shown.
const MIN_WAIT_SHARE: f64 = 0.02;

/// Renders the whole summary for a terminal.
pub fn text(summary: &Summary) -> String {
    let reference = summary.pythons.first().map_or("nothing", String::as_str);
    let mut text = format!(
        "{}\n{}; every arm is compared with {reference} and the same number of workers ({reference} → arm)\n",
        summary.machine,
        summary.pythons.join(", ")
    );
    for category in &summary.categories {
        text.push_str(&format!(
            "\n{}\n{}",
            category.category.title(),
            table(category, summary.evidence)
        ));
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

/// Returns what failed, what was left out, and hazards.
pub fn cautions(summary: &Summary) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(
        summary.failed.iter().map(|f| format!("failed: {} on {}: {}", f.what, f.arm, f.why)),
    );
    if !summary.failed.is_empty() {
        all.push("the figures of failed arms are not used".into());
    }
    all.extend(summary.unreadable.iter().map(|s| format!("unreadable: {}: {}", s.what, s.why)));
    all.extend(summary.skipped.iter().map(|s| format!("left out: {}: {}", s.what, s.why)));
    if !summary.unfinished.is_empty() {
        all.push(format!("not finished: {}", summary.unfinished.join(", ")));
    }
    all.extend(summary.hazards.iter().cloned());
    all
}

/// Returns what was not measured, and notes from planning.
pub fn unknown(summary: &Summary) -> Vec<String> {
    let missing = summary.missing.iter().map(|(key, why)| {
        let title = find(key).map_or(key.as_str(), |m| m.title);
        format!("Not measured: {title} ({why}).")
    });
    missing.chain(summary.notes.iter().map(|n| format!("Note: {n}."))).collect()
}

/// Returns the heading of energy, which includes its evidence class.
fn energy(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Meter => "energy (metered)",
        Evidence::Counter => "energy (counter)",
        Evidence::Model => "energy (model)",
        Evidence::None => "energy",
    }
}

/// A column: heading, key, and formatting of its values.
type Column = (&'static str, &'static str, fn(f64) -> String);

fn columns(category: &CategorySummary, evidence: Evidence) -> Vec<Column> {
    let bytes = |v: f64| bytes(v.round() as u64);
    let all: [Column; 9] = [
        ("CPU", "cpu_percent", |v| percent(v / 100.0)),
        ("VMS", "vms_peak_bytes", bytes),
        ("RSS", "rss_peak_bytes", bytes),
        ("PSS", "pss_peak_bytes", bytes),
        ("power", "power_w", power),
        (energy(evidence), "energy_j", format::energy),
        ("above idle", "energy_above_idle_j", format::energy),
        ("lock wait", "lock_wait_share", percent),
        ("GIL wait", "gil_wait_share", percent),
    ];
    let worth = |key: &str| {
        let least = if key.ends_with("_share") { MIN_WAIT_SHARE } else { f64::MIN };
        let mut figures = category.rows.iter().filter_map(|r| r.metrics.get(key));
        figures.any(|b| b.value > least || b.reference > least)
    };
    all.into_iter().filter(|(_, key, _)| worth(key)).collect()
}

/// Returns a category's table: headings, and the cells of each row.
pub fn cells(category: &CategorySummary, evidence: Evidence) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = columns(category, evidence);
    let mut head: Vec<String> = ["workload", "arm", "time", "×", ""].map(String::from).to_vec();
    head.extend(columns.iter().map(|(title, ..)| title.to_string()));
    if category.rows.iter().any(|r| r.metrics.get("energy_j").is_some_and(|e| e.ratio.is_some())) {
        head.push("× energy".into());
    }
    let energy = head.last().is_some_and(|h| h == "× energy");
    let line = |row: &Row| {
        let mut cells = vec![named(&row.workload, row.form, row.size), row.arm.clone()];
        cells.extend(time(row));
        for (_, key, form) in &columns {
            let pair = |b: &MetricComparison| format!("{} → {}", form(b.reference), form(b.value));
            cells.push(row.metrics.get(*key).map_or_else(|| "-".into(), pair));
        }
        if energy {
            cells.push(
                row.metrics.get("energy_j").map_or_else(|| "-".into(), MetricComparison::shown),
            );
        }
        cells
    };
    (head, category.rows.iter().map(line).collect())
}

fn table(category: &CategorySummary, evidence: Evidence) -> String {
    let (head, rows) = cells(category, evidence);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.into_iter().enumerate().map(aligned));
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(aligned));
    }
    table.to_string().lines().map(|l| l.trim_end().to_string() + "\n").collect()
}

fn time(row: &Row) -> [String; 3] {
    let Some(t) = row.metrics.get("wall_s") else { return ["-".into(), "-".into(), String::new()] };
    let word = match t.verdict {
        Verdict::Less => "faster",
        Verdict::More => "slower",
        Verdict::Same => "same",
        Verdict::Inconclusive => "inconclusive",
    };
    let pair = format!("{} → {}", duration(t.reference), duration(t.value));
    [pair, t.shown(), word.into()]
}

fn aligned((column, text): (usize, String)) -> Cell {
    let left = matches!(column, 0 | 1 | 4);
    Cell::new(text).set_alignment(if left { CellAlignment::Left } else { CellAlignment::Right })
}

/// Returns the overall figures of a category, with both methods.
pub fn overall(category: &CategorySummary, evidence: Evidence) -> Vec<String> {
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
