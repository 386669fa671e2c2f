//! Renders an audit as Markdown for a pull request.

use super::table::{name, summary, verdict};
use super::{AuditReport, findings, import_chains};
use crate::sanitize::sanitize;
use std::fmt::Write;

/// Renders the report. With `all` it includes modules that leave the GIL off.
pub(super) fn report(report: &AuditReport, all: bool) -> String {
    let mut text =
        format!("## ungil audit\n\n{}\n", summary(report).trim_end().replace('\n', "  \n"));
    let modules: Vec<_> = report
        .ordered()
        .into_iter()
        .filter(|(_, found)| all || found.enables_gil() != Some(false))
        .collect();
    if !modules.is_empty() {
        text.push_str("\n| module | verdict | distribution |\n|---|---|---|\n");
        for (distribution, found) in modules {
            let of =
                distribution.map(|one| format!("{} {}", one.name, one.version)).unwrap_or_default();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                cell(name(found)),
                cell(&verdict(found)),
                cell(&of)
            );
        }
    }
    for line in import_chains::lines(report) {
        let _ = writeln!(text, "\n- import chain: {}", cell(&line));
    }
    for (mark, line) in findings::findings(report, all) {
        let bold = if mark == '!' { "**" } else { "" };
        let _ = writeln!(text, "\n- {bold}{}{bold}", cell(&line));
    }
    if !report.audit.hazards.is_empty() {
        text.push_str("\n| source | hazard | what | help |\n|---|---|---|---|\n");
        for hazard in &report.audit.hazards {
            let location = format!("{}:{}", hazard.file.to_string_lossy(), hazard.line);
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                cell(&location),
                hazard.rule.title(),
                cell(&hazard.what),
                cell(&hazard.instead)
            );
        }
    }
    for note in findings::notes(report) {
        let _ = writeln!(text, "\n- note: {}", cell(&note));
    }
    text
}

/// Escapes text for a table cell.
fn cell(text: &str) -> String {
    sanitize(text).replace('|', "\\|").replace('`', "'").replace('<', "&lt;")
}
