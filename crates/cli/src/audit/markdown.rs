//! An audit for a pull request.

use super::table::{name, summary, verdict};
use super::{Report, findings, import_chains};
use crate::clean::clean;
use std::fmt::Write;

/// All of it: with `all`, also what is in order.
pub(super) fn report(report: &Report, all: bool) -> String {
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
        let _ = writeln!(text, "\n- imported by {}", cell(&line));
    }
    for (mark, line) in findings::findings(report, all) {
        let bold = if mark == '!' { "**" } else { "" };
        let _ = writeln!(text, "\n- {bold}{}{bold}", cell(&line));
    }
    if !report.audit.hazards.is_empty() {
        text.push_str("\n| source | hazard | what |\n|---|---|---|\n");
        for hazard in &report.audit.hazards {
            let place = format!("{}:{}", hazard.file.to_string_lossy(), hazard.line);
            let _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                cell(&place),
                hazard.rule.title(),
                cell(&hazard.what)
            );
        }
    }
    for note in findings::notes(report) {
        let _ = writeln!(text, "\n- note: {}", cell(&note));
    }
    text
}

/// Text that stays in its cell, and does nothing there.
fn cell(text: &str) -> String {
    clean(text).replace('|', "\\|").replace('`', "'").replace('<', "&lt;")
}
