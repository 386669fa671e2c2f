//! A chart with its numbers: what is drawn stands in a table too, so that it can be heard, copied
//! and checked.

use super::canvas::{Class, SERIES};
use super::plot::{Axis, Down, Item, Plot};
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
    /// The drawing, as wide as what it stands in; `None` where there is nothing to draw, and `says`
    /// says why.
    pub(super) svg: Option<String>,
    /// Height of the drawing in pixels.
    pub(super) tall: u32,
    /// The colours' names.
    pub(super) legend: Vec<(u8, String)>,
    pub(super) table: Table,
}

impl Chart {
    /// A chart with its drawing.
    pub(super) fn drawn(
        kind: &'static str,
        title: &str,
        says: String,
        plot: &Plot,
        table: Table,
    ) -> Chart {
        let svg = Some(plot.svg(title, &says));
        Chart {
            kind,
            title: title.into(),
            says,
            svg,
            tall: plot.height(),
            legend: Vec::new(),
            table,
        }
    }

    /// Numbers alone.
    pub(super) fn numbers(kind: &'static str, title: &str, says: String, table: Table) -> Chart {
        Chart { kind, title: title.into(), says, svg: None, tall: 0, legend: Vec::new(), table }
    }

    pub(super) fn with_legend(mut self, legend: Vec<(u8, String)>) -> Chart {
        self.legend = legend;
        self
    }
}

/// The colours of a page: each Python, with its GIL setting, and each program has one, in every
/// chart and of every record.
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

    /// The series of a Python; the last one is that of all for which no colour is left.
    pub(super) fn named(&self, head: &str) -> u8 {
        let place =
            self.0.iter().position(|n| n == head).and_then(|place| u8::try_from(place).ok());
        place.unwrap_or(SERIES).min(SERIES)
    }

    /// The series of an arm.
    pub(super) fn at(&self, arm: &Arm) -> u8 {
        self.named(arm.head())
    }

    /// The series of the arm with an id.
    pub(super) fn of_id(&self, view: View<'_>, id: &str) -> u8 {
        view.record.header.arms.iter().find(|a| a.id == id).map_or(SERIES, |arm| self.at(arm))
    }

    /// The names of the colours of some Pythons.
    pub(super) fn legend<'a>(&self, heads: impl IntoIterator<Item = &'a str>) -> Vec<(u8, String)> {
        let mut legend: Vec<(u8, String)> = Vec::new();
        for head in heads {
            let series = self.named(head);
            match legend.iter_mut().find(|(s, _)| *s == series) {
                None if series == SERIES => legend.push((series, format!("others: {head}"))),
                None => legend.push((series, head.into())),
                Some((_, name)) if series == SERIES => name.push_str(&format!(", {head}")),
                Some(_) => {}
            }
        }
        legend
    }
}

/// One length in a chart of bars, with the ends of its interval where it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub(super) class: Class,
    pub(super) value: f64,
    pub(super) ends: Option<(f64, f64)>,
}

/// Horizontal bars: a row an arm, one or more lengths a row.
pub(super) fn bars(rows: &[(&str, Vec<Length>)], unit: Unit, under: &str) -> Plot {
    let most = rows.iter().map(|(_, l)| l.len()).max().unwrap_or(1).max(1);
    let reach = |l: &Length| l.ends.map_or(l.value, |e| e.1.max(l.value));
    let base = if unit == Unit::Bytes { 1024.0 } else { 10.0 };
    let x = Axis::from_zero(rows.iter().flat_map(|(_, l)| l.iter().map(reach)), base, &|v| {
        round(v, unit)
    });
    let mut items = Vec::new();
    for (row, (_, lengths)) in rows.iter().enumerate() {
        for (i, length) in lengths.iter().enumerate() {
            // Bars fill nine tenths of their row.
            let thick = 0.9 / most as f64;
            let top = row as f64 + 0.05 + i as f64 * thick;
            items.push(Item::Bar(length.class, [(0.0, top), (length.value, top + thick)]));
            if let Some((low, high)) = length.ends {
                let middle = top + thick / 2.0;
                items.push(Item::Line(Class::Range, [(low, middle), (high, middle)]));
            }
        }
    }
    let names = rows.iter().map(|(name, _)| name.to_string()).collect();
    Plot { x, down: Down::Rows { names, each: 8 + 9 * most as u32 }, under: under.into(), items }
}

/// A tick with its unit, without zeros that say nothing.
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
    fn no_two_pythons_have_one_colour_but_those_named_others() {
        let names: Vec<String> = (10..20).map(|n| format!("3.{n}")).collect();
        let series = Series(names.clone());
        let own: Vec<u8> = names.iter().map(|n| series.named(n)).filter(|s| *s < SERIES).collect();
        assert_eq!(own, (0..SERIES).collect::<Vec<u8>>());
        let legend = series.legend(names.iter().map(String::as_str));
        assert_eq!(legend.len(), usize::from(SERIES) + 1);
        assert_eq!(legend.last(), Some(&(SERIES, "others: 3.17, 3.18, 3.19".to_string())));
    }
}
