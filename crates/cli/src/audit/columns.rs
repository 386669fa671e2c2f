//! The table of modules in the text format. Every row fits into 80 columns.

use std::fmt::Write;

/// Width of the table of modules.
const WIDTH: usize = 80;
/// Spaces between two columns.
const GAP: usize = 2;
/// Columns of the table, the most important first, and the width to which each can be shortened.
const COLUMNS: [(&str, usize); 4] =
    [("MODULE", 28), ("VERDICT", 30), ("DISTRIBUTION", 14), ("TOOLCHAIN", usize::MAX)];

/// Module, verdict, distribution, toolchain.
pub(super) type Row = [String; COLUMNS.len()];

/// Writes the table of modules, and the verdicts that had to be shortened in full.
pub(super) fn write(text: &mut String, rows: &[Row]) {
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
    while columns.len() > 2 && total(columns.iter().map(|&one| minimum(one))) > WIDTH {
        columns.pop();
    }
    let minima: Vec<usize> = columns.iter().map(|&one| minimum(one)).collect();
    while total(columns.iter().map(|(_, width)| *width)) > WIDTH {
        let excess = columns.iter_mut().zip(&minima).max_by_key(|(one, min)| one.1 - **min);
        let Some(((_, width), _)) = excess else { break };
        *width -= 1;
    }
    columns
}

fn total(widths: impl Iterator<Item = usize>) -> usize {
    widths.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
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
        write(&mut text, &rows);
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
