//! A chart with its numbers: what is drawn stands in a table too, so that it can be heard, copied and checked.

use super::canvas::{Class, SERIES};
use super::plot::{Axis, Item, Plot, SIZE};
use crate::View;
use ungil_experiment::arm::Arm;
use ungil_experiment::metric::{Unit, show};

/// Numbers in rows; the first cell of a row names it.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        Table { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Its kind: `forest`, `speed-up`.
    pub(super) kind: &'static str,
    pub(super) title: String,
    /// What it shows and how to read it.
    pub(super) says: String,
    /// The drawing; `None` where there is nothing to draw, and `says` says why.
    pub(super) svg: Option<String>,
    /// Series that are not named in the drawing itself.
    pub(super) legend: Vec<(u8, String)>,
    pub(super) table: Table,
}

impl Chart {
    /// A chart with its drawing.
    pub(super) fn drawn(kind: &'static str, title: &str, says: String, plot: &Plot, table: Table) -> Chart {
        let svg = plot.svg(title, &says);
        Chart { kind, title: title.into(), says, svg: Some(svg), legend: Vec::new(), table }
    }

    /// Numbers alone.
    pub(super) fn numbers(kind: &'static str, title: &str, says: String, table: Table) -> Chart {
        Chart { kind, title: title.into(), says, svg: None, legend: Vec::new(), table }
    }

    pub(super) fn with_legend(mut self, legend: Vec<(u8, String)>) -> Chart {
        self.legend = legend;
        self
    }
}

/// Which arms of a record look alike: those of one Python with one GIL setting, or of one program.
#[derive(Debug, Clone)]
pub(super) struct Series(Vec<String>);

impl Series {
    pub(super) fn of(view: View<'_>) -> Series {
        let mut names: Vec<String> = Vec::new();
        for arm in &view.record.header.arms {
            if !names.iter().any(|n| n == arm.head()) {
                names.push(arm.head().into());
            }
        }
        Series(names)
    }

    /// The series of an arm.
    pub(super) fn at(&self, arm: &Arm) -> u8 {
        let place = self.0.iter().position(|n| n == arm.head());
        u8::try_from(place.unwrap_or(0) % usize::from(SERIES)).unwrap_or(0)
    }

    /// The series of the arm with an id.
    pub(super) fn of_id(&self, view: View<'_>, id: &str) -> u8 {
        view.record.header.arms.iter().find(|a| a.id == id).map_or(0, |arm| self.at(arm))
    }
}

/// One length in a chart of bars, with the ends of its interval where it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub(super) series: u8,
    pub(super) value: f64,
    pub(super) ends: Option<(f64, f64)>,
}

/// Horizontal bars: a row an arm, one or more lengths a row.
pub(super) fn bars(rows: &[(&str, Vec<Length>)], unit: Unit, under: &str) -> Plot {
    let most = rows.iter().map(|(_, l)| l.len()).max().unwrap_or(1).max(1);
    let reach = |l: &Length| l.ends.map_or(l.value, |e| e.1.max(l.value));
    let base = if unit == Unit::Bytes { 1024.0 } else { 10.0 };
    let x = Axis::from_zero(rows.iter().flat_map(|(_, l)| l.iter().map(reach)), base, &|v| round(v, unit));
    let mut items = Vec::new();
    for (row, (_, lengths)) in rows.iter().enumerate() {
        for (i, length) in lengths.iter().enumerate() {
            // Bars fill seven tenths of their row.
            let thick = 0.7 / most as f64;
            let top = row as f64 + 0.15 + i as f64 * thick;
            items.push(Item::Bar(Class::Bar(length.series), [(0.0, top), (length.value, top + thick)]));
            if let Some((low, high)) = length.ends {
                let middle = top + thick / 2.0;
                items.push(Item::Line(Class::Whisker(length.series), [(low, middle), (high, middle)]));
            }
        }
    }
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    Plot {
        height: height(rows.len(), 14 + 10 * most as u32),
        x,
        y: Axis::names(&names),
        under: under.into(),
        items,
    }
}

/// A tick with its unit, without zeros that say nothing.
pub(super) fn round(value: f64, unit: Unit) -> String {
    let text = show(value, unit);
    let (number, name) = text.split_once(' ').unwrap_or((&text, ""));
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {name}").trim_end().into()
}

/// Height of a chart with a row for each of `rows`.
pub(super) fn height(rows: usize, each: u32) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX / 64).min(4000) * each + 58
}

/// Height of a chart with two scales.
pub(super) const SQUARE: u32 = SIZE * 3 / 4;
