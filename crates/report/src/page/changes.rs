//! A forest plot that grows row by row: an arm of the second record over the same of the first.

use super::chart::{Chart, Table};
use super::ratios::{Ratios, drawn_of, forest};
use crate::table::verdict_word;
use ungil_experiment::metric::Metric;
use ungil_experiment::stats::Ratio;
use ungil_format as format;

/// What a row is called and looks like.
pub(super) struct Row<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) arm: String,
    pub(super) series: u8,
}

/// A chart of ratios as it grows.
pub(super) struct Rows {
    table: Table,
    ratios: Vec<Ratios>,
}

impl Rows {
    pub(super) fn new(head: &[&str]) -> Rows {
        Rows { table: Table::new(head.iter().copied()), ratios: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        row: &Row<'_>,
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
        self.ratios.push(Ratios {
            name,
            series: row.series,
            ratio: r.ratio,
            low: r.low,
            high: r.high,
        });
    }

    pub(super) fn chart(self, kind: &'static str, title: &str, says: &str) -> Chart {
        let says = format!("{says}{}", drawn_of(self.ratios.len()));
        match forest(self.ratios, "second ÷ first".into()) {
            Some(plot) => Chart::drawn(kind, title, says, &plot, self.table),
            None => {
                let says = "The two have no arm in common that was measured in both.".into();
                Chart::numbers(kind, title, says, self.table)
            }
        }
    }
}
