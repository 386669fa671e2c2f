//! Renders an audit as text for a terminal.

use super::verify::Verified;
use super::{Report, findings, import_chains};
use crate::clean::clean;
use std::fmt::Write;
use ungil_audit::inventory::ExtensionFile;
use ungil_audit::model::Verdict;
use ungil_audit::requirements::WheelStatus;
use ungil_audit::source::Confidence;
use ungil_format::counted;

/// Width of the table of modules.
const WIDTH: usize = 80;
/// Spaces between two columns.
const GAP: usize = 2;
/// Columns of the table, the most important first, and the width to which each can be shortened.
const COLUMNS: [(&str, usize); 4] =
    [("MODULE", 28), ("VERDICT", 30), ("DISTRIBUTION", 14), ("TOOLCHAIN", usize::MAX)];

type Row = [String; COLUMNS.len()];

/// Renders the report. With `all` it includes modules that leave the GIL off.
pub(super) fn report(report: &Report, all: bool) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    for (distribution, found) in report.ordered() {
        if all || found.enables_gil() != Some(false) {
            let distribution =
                distribution.map(|one| format!("{} {}", clean(&one.name), clean(&one.version)));
            rows.push([
                clean(name(found)).into_owned(),
                verdict(found),
                distribution.unwrap_or_default(),
                toolchain(found),
            ]);
        }
    }
    modules_table(&mut text, &rows);
    for line in import_chains::lines(report) {
        let _ = writeln!(text, "import chain: {line}");
    }
    for (mark, line) in findings::findings(report, all) {
        let _ = writeln!(text, "{mark} {line}");
    }
    for hazard in &report.audit.hazards {
        let confidence = match hazard.confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        let file = hazard.file.to_string_lossy();
        let _ = writeln!(
            text,
            "{}:{}: {} ({confidence}): {}",
            clean(&file),
            hazard.line,
            hazard.rule.id(),
            clean(&hazard.what)
        );
        let _ = writeln!(text, "    help: {}", clean(&hazard.instead));
    }
    for note in findings::notes(report) {
        let _ = writeln!(text, "note: {note}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report)
}

/// Returns the counts, one line for each kind of result.
pub(super) fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Requirements alone contain no modules.
    if report.audit.importable().next().is_some() || report.audit.wanted.is_empty() {
        let _ = writeln!(text, "{}", modules(report));
    }
    for line in
        [requirements(report), findings::skipped_count(report), verified(report), index(report)]
            .into_iter()
            .flatten()
    {
        let _ = writeln!(text, "{line}");
    }
    if report.audit.sources > 0 {
        let hazards = counted(report.audit.hazards.len(), "hazard");
        let _ = writeln!(text, "{} read: {hazards}", counted(report.audit.sources, "source file"));
    }
    if report.interrupted {
        text.push_str("Interrupted: the results are incomplete.\n");
    }
    text
}

/// Counts the modules by verdict.
fn modules(report: &Report) -> String {
    let build = report.audit.build;
    let count = |effect| {
        report.audit.importable().filter(|(_, found)| found.enables_gil() == effect).count()
    };
    let (on, off, unknown) = (count(Some(true)), count(Some(false)), count(None));
    let all = on + off + unknown;
    let modules = format!("{} for {build}", counted(all, "extension module"));
    let distributions = &report.audit.distributions;
    if all > 0 {
        let keep = if off == 1 { "keeps" } else { "keep" };
        let enable = if on == 1 { "enables" } else { "enable" };
        return format!("{modules}: {off} {keep} the GIL off, {on} {enable} it, {unknown} unknown");
    }
    if distributions.is_empty() || report.audit.is_empty() {
        return modules;
    }
    // The dependencies of an environment are in it; those of a wheel are not.
    let has_unread_dependencies = distributions
        .iter()
        .any(|one| one.distribution.folder.is_none() && !one.distribution.requires.is_empty());
    let rest = if has_unread_dependencies { "; dependencies were not read" } else { "" };
    format!(
        "{modules}: {} without any, so nothing enables the GIL{rest}",
        counted(distributions.len(), "distribution")
    )
}

/// Counts the requirements by what is known about their wheels.
fn requirements(report: &Report) -> Option<String> {
    let build = report.audit.build;
    let count = |status| findings::applying(report).filter(|one| one.gil == status).count();
    let (pure, unread, without) = (
        count(WheelStatus::NothingCompiled),
        count(WheelStatus::NotRead),
        count(WheelStatus::NoWheel),
    );
    if report.audit.wanted.is_empty() {
        return None;
    }
    let all = counted(pure + unread + without, "requirement");
    Some(format!(
        "{all}: {pure} with a pure Python wheel, {unread} with a compiled wheel for {build} (not \
         read), {without} without a wheel for {build}"
    ))
}

/// Counts the results of importing the modules.
fn verified(report: &Report) -> Option<String> {
    let verified = report.verified.as_ref()?;
    let count = |is: &dyn Fn(&Verified) -> bool| verified.iter().filter(|one| is(one)).count();
    let unseen = count(&|one| one.outcome.switched_on.is_none());
    let agree = count(&|one| one.verdict.is_some() && one.outcome.switched_on == one.verdict);
    let differ = count(&Verified::differs);
    let open = verified.len() - unseen - agree - differ;
    let mut text = format!(
        "{} imported: {agree} as predicted, {differ} not as predicted",
        counted(verified.len(), "module")
    );
    for (count, label) in [(open, "without a verdict"), (unseen, "not verified")] {
        if count > 0 {
            let _ = write!(text, ", {count} {label}");
        }
    }
    Some(text)
}

/// Counts the answers of the index.
fn index(report: &Report) -> Option<String> {
    let index = report.index.as_ref()?;
    let build = report.audit.build;
    let silent = index.iter().filter(|answer| super::index::has_no_answer(answer)).count();
    let without =
        index.iter().filter(|answer| super::index::describe(answer, build).0).count() - silent;
    let with = index.len() - without - silent;
    let mut text = format!(
        "{} looked up in the index: {without} without a wheel for {build}",
        counted(index.len(), "project")
    );
    if silent > 0 {
        let _ = write!(text, ", {silent} without an answer");
    }
    if with > 0 {
        let _ = write!(
            text,
            ", {with} with one (which does not guarantee that its modules leave the GIL off)"
        );
    }
    Some(text)
}

/// Returns the name under which a module is reported.
pub(super) fn name(found: &ExtensionFile) -> &str {
    found.module.as_deref().unwrap_or(&found.path)
}

/// Describes the verdict on a file.
pub(super) fn verdict(found: &ExtensionFile) -> String {
    match (&found.unreadable, found.analysis()) {
        (Some(why), _) => format!("unknown: {}", clean(why)),
        (None, Some(one)) => match &one.verdict {
            Verdict::Declares => "keeps the GIL off (declared)".into(),
            Verdict::DoesNotDeclare => "enables the GIL (not declared)".into(),
            Verdict::SwitchesOn => "enables the GIL (requests it)".into(),
            Verdict::Unknown(why) => format!("unknown: {}", clean(why)),
        },
        (None, None) => "unknown: it contains no module with the name of the file".into(),
    }
}

fn toolchain(found: &ExtensionFile) -> String {
    let toolchain = found.analysis().and_then(|one| one.toolchain);
    toolchain.map(|one| format!("{one:?}")).unwrap_or_default()
}

/// Writes the table of modules, and the verdicts that had to be shortened in full.
fn modules_table(text: &mut String, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let columns = layout(rows);
    let heads = COLUMNS.map(|(head, _)| head.to_owned());
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for &(column, width) in &columns {
            let cell = if column == 0 {
                shorten_name(&row[column], width)
            } else {
                shorten(&row[column], width)
            };
            let _ = write!(line, "{cell:width$}{:GAP$}", "");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let verdict_width = columns.get(1).map_or(0, |(_, width)| *width);
    for [name, verdict, ..] in rows {
        if verdict.chars().count() > verdict_width {
            let _ = writeln!(text, "? {name}: {verdict}");
        }
    }
}

/// Returns the columns that fit into [`WIDTH`], each with its width. Empty columns are left out,
/// the least important are dropped, and then the widest are shortened.
fn layout(rows: &[Row]) -> Vec<(usize, usize)> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let natural = COLUMNS.iter().enumerate().filter(|(at, _)| width(*at) > 0);
    let natural = natural.map(|(at, (head, _))| (at, width(at).max(head.len())));
    let mut columns: Vec<(usize, usize)> = natural.collect();
    let minimum = |(at, width): (usize, usize)| width.min(COLUMNS[at].1);
    let total = |widths: &mut dyn Iterator<Item = usize>| {
        widths.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    while columns.len() > 2 && total(&mut columns.iter().map(|&one| minimum(one))) > WIDTH {
        columns.pop();
    }
    let minima: Vec<usize> = columns.iter().map(|&one| minimum(one)).collect();
    while total(&mut columns.iter().map(|(_, width)| *width)) > WIDTH {
        let excess = columns.iter_mut().zip(&minima).max_by_key(|(one, min)| one.1 - **min);
        let Some(((_, width), _)) = excess else { break };
        *width -= 1;
    }
    columns
}

/// Shortens a text to a width, with `…` at its end.
fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}

/// Shortens a dotted name to a width. The first part and the end are kept, as they identify it.
fn shorten_name(name: &str, width: usize) -> String {
    let len = name.chars().count();
    if len <= width {
        return name.to_owned();
    }
    let package = name.split('.').next().unwrap_or_default();
    let package_len = package.chars().count();
    let head = if package_len + 2 <= width / 2 { format!("{package}.") } else { String::new() };
    let tail_len = width.saturating_sub(head.chars().count() + 1);
    let tail: String = name.chars().skip(len - tail_len).collect();
    // Cut at a dot, unless that loses much.
    let whole_parts = tail.split_once('.').map(|(_, rest)| rest);
    let tail = whole_parts.filter(|rest| rest.len() >= tail.len() / 2).unwrap_or(&tail);
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 4]]) -> Vec<String> {
        let rows: Vec<Row> = rows.iter().map(|row| row.map(str::to_owned)).collect();
        let mut text = String::new();
        modules_table(&mut text, &rows);
        text.lines().map(str::to_owned).collect()
    }

    const VERDICT: &str = "enables the GIL (not declared)";

    #[test]
    fn short_rows_have_all_columns() {
        assert_eq!(
            table(&[["bad._core", VERDICT, "bad 1.0", "Cython"], ["x", VERDICT, "", "C"]]),
            [
                "MODULE     VERDICT                         DISTRIBUTION  TOOLCHAIN",
                "bad._core  enables the GIL (not declared)  bad 1.0       Cython",
                "x          enables the GIL (not declared)                C",
            ]
        );
        assert_eq!(table(&[["x", VERDICT, "", ""]])[0], "MODULE  VERDICT");
        assert!(table(&[]).is_empty());
    }

    #[test]
    fn the_least_important_columns_are_dropped_first() {
        let name = "package.of_some_length._mod";
        let lines = table(&[[name, VERDICT, "package 1.0.0", "Pybind11"]]);
        assert_eq!(
            lines[1],
            "package.of_some_length._mod  enables the GIL (not declared)  package 1.0.0"
        );
    }

    #[test]
    fn long_names_and_distributions_are_shortened() {
        let name = "sklearn.ensemble._hist_gradient_boosting._gradient_boosting";
        let lines = table(&[[name, VERDICT, "scikit-learn 1.8.0", "Cython"]]);
        assert_eq!(
            lines[1],
            "sklearn.…_gradient_boosting     enables the GIL (not declared)  scikit-learn 1.…"
        );
    }

    #[test]
    fn rows_fit_into_the_width_and_are_never_broken() {
        let long = "a_part.".repeat(30);
        let why = format!("unknown: {}", "because of this ".repeat(12));
        for name in ["x", "größe._é", "package.module._core", long.as_str()] {
            for verdict in [VERDICT, "unknown: not an ELF, Mach-O or PE file", why.as_str()] {
                for distribution in ["", "d 1", "a-distribution-with-a-long-name 2026.11.30.post1"]
                {
                    for toolchain in ["", "C", "Pybind11"] {
                        let lines = table(&[
                            [name, verdict, distribution, toolchain],
                            ["y", VERDICT, "y 1.0", "C"],
                        ]);
                        for line in &lines[..3] {
                            assert!(line.chars().count() <= WIDTH, "{line}");
                        }
                        // A verdict that does not fit follows in full.
                        assert!(lines.iter().any(|line| line.contains(verdict)), "{lines:?}");
                        assert!(lines[2].starts_with("y "), "{lines:?}");
                    }
                }
            }
        }
    }
}
