//! A forest plot of changes: each arm of the second record against the same arm of the first.

use super::chart::{Chart, Table};
use super::ratios::{ForestRow, drawn_of, forest};
use crate::table::verdict_word;
use ungil_experiment::metric::Metric;
use ungil_experiment::stats::Ratio;
use ungil_format as format;

/// The name and the series of a row.
pub(super) struct ChangeRow<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) arm: String,
    pub(super) series: u8,
}

/// A chart of changes, built row by row.
pub(super) struct ChangeChart {
    table: Table,
    ratios: Vec<ForestRow>,
}

impl ChangeChart {
    pub(super) fn new(head: &[&str]) -> ChangeChart {
        ChangeChart { table: Table::new(head.iter().copied()), ratios: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        row: &ChangeRow<'_>,
        cells: [String; 2],
        ratio: Option<Ratio>,
        m: &Metric,
    ) {
        let mut line: Vec<String> = row.name.iter().map(ToString::to_string).collect();
        line.push(row.arm.clone());
        line.extend(cells);
        line.extend(match ratio {
            Some(r) => [
                format::ratio(r.ratio),
                format::interval(r.low, r.high),
                verdict_word(r.verdict(m.margin), m).into(),
            ],
            None => ["-".into(), String::new(), "no ratio".into()],
        });
        self.table.rows.push(line);
        let Some(r) = ratio else { return };
        let name = row.name.map_or_else(|| row.arm.clone(), |n| format!("{n} {}", row.arm));
        self.ratios.push(ForestRow {
            name,
            series: row.series,
            ratio: r.ratio,
            low: r.low,
            high: r.high,
        });
    }

    pub(super) fn chart(self, kind: &'static str, title: &str, description: &str) -> Chart {
        let description = format!("{description}{}", drawn_of(self.ratios.len()));
        match forest(self.ratios, "second ÷ first".into()) {
            Some(plot) => Chart::drawn(kind, title, description, &plot, self.table),
            None => {
                let description = "No arm was measured in both.".into();
                Chart::without_drawing(kind, title, description, self.table)
            }
        }
    }
}
