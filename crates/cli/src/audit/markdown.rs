//! An audit for a pull request.

use super::table::{name, summary, verdict};
use super::{Report, lines, ways};
use crate::sanitize::sanitize;
use std::fmt::Write;

/// All of it: with `all`, also what is in order.
pub(super) fn report(report: &Report, all: bool) -> String {
    let mut text =
        format!("## ungil audit\n\n{}\n", summary(report).trim_end().replace('\n', "  \n"));
    let modules: Vec<_> = report
        .ordered()
        .into_iter()
        .filter(|(_, found)| all || found.switches_on() != Some(false))
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
    for line in ways::lines(report) {
        let _ = writeln!(text, "\n- imported by {}", cell(&line));
    }
    for (mark, line) in lines::findings(report, all) {
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
                hazard.kind.title(),
                cell(&hazard.what)
            );
        }
    }
    for note in lines::notes(report) {
        let _ = writeln!(text, "\n- note: {}", cell(&note));
    }
    text
}

/// Text that stays in its cell, and does nothing there.
fn cell(text: &str) -> String {
    sanitize(text).replace('|', "\\|").replace('`', "'").replace('<', "&lt;")
}
