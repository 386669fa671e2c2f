//! A forest plot that grows row by row: an arm of the second record over the same of the first.

use super::canvas::Class;
use super::chart::{Chart, Table, height};
use super::plot::{Axis, Item, Plot};
use super::ratios::{span, tick, times};
use crate::table::verdict_word;
use ungil_experiment::metric::Metric;
use ungil_experiment::stats::Ratio;

/// Rows that are drawn.
const MOST_ROWS: usize = 200;

/// What a row is called and looks like.
pub(super) struct Row<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) arm: String,
    pub(super) series: u8,
}

/// A chart of ratios as it grows.
pub(super) struct Rows {
    table: Table,
    names: Vec<String>,
    items: Vec<Item>,
    reach: Vec<f64>,
}

impl Rows {
    pub(super) fn new(head: &[&str]) -> Rows {
        Rows {
            table: Table::new(head.iter().copied()),
            names: Vec::new(),
            items: Vec::new(),
            reach: vec![1.0],
        }
    }

    pub(super) fn add(&mut self, row: &Row<'_>, cells: [String; 2], ratio: Option<Ratio>, m: &Metric) {
        let mut line: Vec<String> = row.name.iter().map(ToString::to_string).collect();
        line.push(row.arm.clone());
        line.extend(cells);
        line.extend(match ratio {
            Some(r) => [times(r.ratio), span(r.low, r.high), verdict_word(r.verdict(m.margin), m).into()],
            None => ["-".into(), String::new(), "no ratio".into()],
        });
        self.table.rows.push(line);
        let Some(r) = ratio.filter(|_| self.names.len() < MOST_ROWS) else { return };
        let y = self.names.len() as f64 + 0.5;
        self.items.push(Item::Line(Class::Whisker(row.series), [(r.low, y), (r.high, y)]));
        self.items.push(Item::Mark(Class::Mark(row.series), r.ratio, y));
        self.reach.extend([r.low, r.high]);
        self.names.push(row.name.map_or_else(|| row.arm.clone(), |n| format!("{n} {}", row.arm)));
    }

    pub(super) fn chart(mut self, kind: &'static str, title: &str, says: &str) -> Chart {
        if self.names.is_empty() {
            let says = "The two have no arm in common that was measured in both.".into();
            return Chart::numbers(kind, title, says, self.table);
        }
        let rows = self.names.len() as f64;
        self.items.insert(0, Item::Line(Class::Rule, [(1.0, 0.0), (1.0, rows)]));
        let mut says = says.to_string();
        if self.table.rows.len() > MOST_ROWS {
            says.push_str(&format!(" The first {MOST_ROWS} rows are drawn; the table has all."));
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let plot = Plot {
            height: height(names.len(), 24),
            x: Axis::log(self.reach, &tick),
            y: Axis::names(&names),
            under: "second ÷ first".into(),
            items: self.items,
        };
        Chart::drawn(kind, title, says, &plot, self.table)
    }
}
