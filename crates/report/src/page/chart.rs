//! A chart and its table: every drawn value is also in the table, so that it can be read by a
//! screen reader, copied and checked.

use super::canvas::{Class, OWN_COLOURS};
use super::plot::{Axis, Plot, Shape, VerticalAxis};
use crate::View;
use ungil_experiment::arm::Arm;
use ungil_experiment::metric::{Unit, show};

/// A table; the first cell of a row names it.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        Table { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Returns a table of columns: a heading, and one cell per row.
    pub(super) fn from_columns(columns: Vec<(String, Vec<String>)>) -> Table {
        let rows = columns.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let row = |at: usize| columns.iter().filter_map(|(_, c)| c.get(at).cloned()).collect();
        let rows = (0..rows).map(row).collect();
        Table { head: columns.into_iter().map(|(heading, _)| heading).collect(), rows }
    }
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Kind of chart, such as `forest` or `speed-up`.
    pub(super) kind: &'static str,
    pub(super) title: String,
    /// What the chart shows and how to read it, or why there is no drawing.
    pub(super) description: String,
    /// The drawing, which fills the width of its container.
    pub(super) svg: Option<String>,
    /// Height of the drawing in pixels.
    pub(super) height: u32,
    /// Series and their names.
    pub(super) legend: Vec<(u8, String)>,
    pub(super) table: Table,
}

impl Chart {
    /// Returns a chart with a drawing.
    pub(super) fn drawn(
        kind: &'static str,
        title: &str,
        description: String,
        plot: &Plot,
        table: Table,
    ) -> Chart {
        let svg = Some(plot.svg(title, &description));
        Chart {
            kind,
            title: title.into(),
            description,
            svg,
            height: plot.height(),
            legend: Vec::new(),
            table,
        }
    }

    /// Returns a chart without a drawing.
    pub(super) fn without_drawing(
        kind: &'static str,
        title: &str,
        description: String,
        table: Table,
    ) -> Chart {
        Chart {
            kind,
            title: title.into(),
            description,
            svg: None,
            height: 0,
            legend: Vec::new(),
            table,
        }
    }

    pub(super) fn with_legend(mut self, legend: Vec<(u8, String)>) -> Chart {
        self.legend = legend;
        self
    }
}

/// The series of a page: each Python with its GIL setting, and each program, has the same colour in
/// all charts.
#[derive(Debug, Clone)]
pub(super) struct Series(Vec<String>);

impl Series {
    pub(super) fn of<'a>(views: impl IntoIterator<Item = View<'a>>) -> Series {
        let mut names: Vec<String> = Vec::new();
        for arm in views.into_iter().flat_map(|view| &view.record.header.arms) {
            if !names.iter().any(|n| n == arm.head()) {
                names.push(arm.head().into());
            }
        }
        Series(names)
    }

    /// Returns the series of a Python; the last one is shared by all without their own colour.
    pub(super) fn named(&self, head: &str) -> u8 {
        let index =
            self.0.iter().position(|n| n == head).and_then(|index| u8::try_from(index).ok());
        index.unwrap_or(OWN_COLOURS).min(OWN_COLOURS)
    }

    /// Returns the series of an arm.
    pub(super) fn at(&self, arm: &Arm) -> u8 {
        self.named(arm.head())
    }

    /// Returns the series of the arm with an id.
    pub(super) fn of_id(&self, view: View<'_>, id: &str) -> u8 {
        view.record.header.arms.iter().find(|a| a.id == id).map_or(OWN_COLOURS, |arm| self.at(arm))
    }

    /// Returns the series of some Pythons with their names.
    pub(super) fn legend<'a>(&self, heads: impl IntoIterator<Item = &'a str>) -> Vec<(u8, String)> {
        let mut legend: Vec<(u8, String)> = Vec::new();
        for head in heads {
            let series = self.named(head);
            match legend.iter_mut().find(|(s, _)| *s == series) {
                None if series == OWN_COLOURS => legend.push((series, format!("others: {head}"))),
                None => legend.push((series, head.into())),
                Some((_, name)) if series == OWN_COLOURS => name.push_str(&format!(", {head}")),
                Some(_) => {}
            }
        }
        legend
    }
}

/// A bar, with the ends of its interval if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct BarValue {
    pub(super) class: Class,
    pub(super) value: f64,
    pub(super) ends: Option<(f64, f64)>,
}

/// Plots horizontal bars: one row per arm, with one or more bars.
pub(super) fn bars(rows: &[(&str, Vec<BarValue>)], unit: Unit, x_label: &str) -> Plot {
    let most = rows.iter().map(|(_, l)| l.len()).max().unwrap_or(1).max(1);
    let reach = |l: &BarValue| l.ends.map_or(l.value, |e| e.1.max(l.value));
    let base = if unit == Unit::Bytes { 1024.0 } else { 10.0 };
    let x = Axis::from_zero(rows.iter().flat_map(|(_, l)| l.iter().map(reach)), base, &|v| {
        round(v, unit)
    });
    let mut shapes = Vec::new();
    for (row, (_, values)) in rows.iter().enumerate() {
        for (i, length) in values.iter().enumerate() {
            // The bars fill 90 % of their row.
            let thick = 0.9 / most as f64;
            let top = row as f64 + 0.05 + i as f64 * thick;
            shapes.push(Shape::Bar(length.class, [(0.0, top), (length.value, top + thick)]));
            if let Some((low, high)) = length.ends {
                let middle = top + thick / 2.0;
                shapes.push(Shape::Line(Class::Range, [(low, middle), (high, middle)]));
            }
        }
    }
    let names = rows.iter().map(|(name, _)| name.to_string()).collect();
    Plot {
        x,
        y: VerticalAxis::Rows { names, each: 8 + 9 * most as u32 },
        x_label: x_label.into(),
        shapes,
    }
}

/// Formats the label of a tick with its unit, without trailing zeros.
pub(super) fn round(value: f64, unit: Unit) -> String {
    if unit == Unit::Seconds && value >= 99.95 {
        return format!("{value:.0} s");
    }
    let text = show(value, unit);
    let (number, name) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {name}").trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_others_share_a_colour() {
        let names: Vec<String> = (10..20).map(|n| format!("3.{n}")).collect();
        let series = Series(names.clone());
        let own: Vec<u8> =
            names.iter().map(|n| series.named(n)).filter(|s| *s < OWN_COLOURS).collect();
        assert_eq!(own, (0..OWN_COLOURS).collect::<Vec<u8>>());
        let legend = series.legend(names.iter().map(String::as_str));
        assert_eq!(legend.len(), usize::from(OWN_COLOURS) + 1);
        assert_eq!(legend.last(), Some(&(OWN_COLOURS, "others: 3.17, 3.18, 3.19".to_string())));
    }
}
