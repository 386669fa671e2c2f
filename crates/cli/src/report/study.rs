//! Converts the folder of a suite to the study of a report: findings, and one chapter per category.

use std::path::PathBuf;
use ungil_report::{Chapter, ChapterArm, Study};
use ungil_suite::folder;
use ungil_suite::summary::{CategorySummary, Overall, Row, Summary, summary};
use ungil_suite::table;
use ungil_suite::workloads::{Form, named};

/// Returns the study of a single folder that `ungil suite` wrote.
pub(super) fn read(records: &[PathBuf]) -> Option<Study> {
    let [folder] = records else { return None };
    if !folder.join(folder::FILE).is_file() {
        return None;
    }
    match folder::read(folder) {
        Ok(study) => Some(shown(&summary(&study))),
        Err(error) => {
            let failure = error.failure();
            eprintln!(
                "note: {}",
                crate::sanitize::sanitize_all(&format!("{}: {}", failure.what, failure.why))
            );
            None
        }
    }
}

fn shown(summary: &Summary) -> Study {
    let reference = summary.pythons.first().map_or("the first interpreter", String::as_str);
    let findings = summary.findings.iter().cloned().chain(table::unknown(summary));
    Study {
        reference: format!("{reference}, as many workers"),
        findings: findings.collect(),
        figures: figures(summary),
        cautions: table::cautions(summary),
        chapters: summary.categories.iter().map(|c| chapter(summary, c)).collect(),
    }
}

/// Returns the key figures: geometric mean ratios of time, memory and energy per category.
fn figures(summary: &Summary) -> (Vec<String>, Vec<Vec<String>>) {
    let head = ["ratio", "arm", "time", "memory (PSS)", "energy"].map(String::from);
    let mut rows = Vec::new();
    for category in &summary.categories {
        for time in category.overall.iter().filter(|o| o.metric == "wall_s") {
            let of = |metric: &str| {
                let same = |o: &&Overall| {
                    o.metric == metric && o.label == time.label && o.form == time.form
                };
                category
                    .overall
                    .iter()
                    .find(same)
                    .map_or_else(|| "n/a".into(), |o| o.ours.to_string())
            };
            let arm = match time.form {
                Form::Plain => time.label.clone(),
                form => format!("{} {}", time.label, form.name()),
            };
            let title = category.category.title().to_string();
            rows.push(vec![title, arm, of("wall_s"), of("pss_peak_bytes"), of("energy_j")]);
        }
    }
    (head.to_vec(), rows)
}

fn chapter(summary: &Summary, category: &CategorySummary) -> Chapter {
    let (head, cells) = table::cells(category, summary.evidence);
    let several = |row: &Row| {
        category
            .rows
            .iter()
            .any(|r| r.workload == row.workload && r.form == row.form && r.size != row.size)
    };
    let beside = |(row, cells): (&Row, Vec<String>)| {
        // Labels are short: they contain the size only if there are several.
        let experiment = match row.form {
            _ if several(row) => named(&row.workload, row.form, row.size),
            Form::Plain => row.workload.clone(),
            form => format!("{} {}", row.workload, form.name()),
        };
        let ratio = row.metrics.get("wall_s").and_then(|t| t.ratio);
        ChapterArm {
            experiment,
            arm: row.arm.clone(),
            python: row.arm.split('/').next().unwrap_or_default().into(),
            ratio: ratio.map(|r| [r.ratio, r.low, r.high]),
            cells,
        }
    };
    Chapter {
        title: category.category.title().into(),
        sentences: table::overall(category, summary.evidence),
        head,
        arms: category.rows.iter().zip(cells).map(beside).collect(),
    }
}
