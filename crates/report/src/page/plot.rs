//! A chart as data (axes and what is on them), and its SVG. plotters lays it out; nothing here computes a figure.
//!
//! The axes are our own to plotters, so that a logarithmic one may be narrower than a decade and still have ticks where a reader
//! looks for them.

use super::canvas::{Canvas, Class, LETTER, WIDTH};
use super::escape::escape;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::convert::Infallible;
use std::ops::Range;

/// Width of every chart in its own units: a phone's, so that letters need not shrink there.
pub(super) const SIZE: u32 = 400;
/// Longest label beside an axis, in letters.
const LABEL: usize = 25;

/// One axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    log: bool,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

/// What stands on the axes.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// A value as a dot.
    Mark(Class, f64, f64),
    /// A straight line between two points.
    Line(Class, [(f64, f64); 2]),
    /// A filled rectangle between two corners.
    Bar(Class, [(f64, f64); 2]),
    /// Everything inside these corners.
    Area(Class, Vec<(f64, f64)>),
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) height: u32,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// What the horizontal axis shows.
    pub(super) under: String,
    pub(super) items: Vec<Item>,
}

impl Axis {
    /// Named places from the top down, one unit each; the first is at 0.5.
    pub(super) fn names(names: &[&str]) -> Axis {
        let ticks = names.iter().enumerate().map(|(i, n)| (i as f64 + 0.5, short(n)));
        // Down is more.
        Axis { log: false, low: names.len().max(1) as f64, high: 0.0, ticks: ticks.collect() }
    }

    /// From 0 to what holds every value. Ticks are round in units of `base` to some power: 10, or 1024 for bytes.
    pub(super) fn from_zero(
        values: impl IntoIterator<Item = f64>,
        base: f64,
        label: &dyn Fn(f64) -> String,
    ) -> Axis {
        let high = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let high = if high > 0.0 { high * 1.03 } else { 1.0 };
        // Three to six ticks at 1, 2 or 5 times a power of ten of the unit that will be shown.
        let unit = if base == 10.0 { 1.0 } else { base.powf((high / 4.0).log(base).floor().max(0.0)) };
        let raw = high / 4.0;
        let power = unit * 10f64.powf((raw / unit).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= raw).unwrap_or(raw);
        let ticks = (0..=10).map(|i| f64::from(i) * step).take_while(|v| *v <= high);
        let label = |v: f64| if v == 0.0 { "0".into() } else { label(v) };
        Axis { log: false, low: 0.0, high, ticks: ticks.map(|v| (v, label(v))).collect() }
    }

    /// Logarithmic, around every value; values that are not positive do not count.
    pub(super) fn log(values: impl IntoIterator<Item = f64>, label: &dyn Fn(f64) -> String) -> Axis {
        let all = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = all.fold((f64::INFINITY, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (0.5, 2.0) };
        // At least 1.2 from end to end, and a little air.
        let air = ((1.2 / (high / low)).sqrt()).max(1.0) * (high / low).powf(0.04);
        let (low, high) = (low / air, high * air);
        let ticks = log_ticks(low, high).into_iter().map(|v| (v, label(v)));
        Axis { log: true, low, high, ticks: ticks.collect() }
    }

    /// Logarithmic with a tick at each of these values.
    pub(super) fn log_at(values: &[f64]) -> Axis {
        let mut axis = Axis::log(values.iter().copied(), &|v| v.to_string());
        axis.ticks = values.iter().map(|&v| (v, v.to_string())).collect();
        axis
    }

    fn at(&self, value: f64) -> f64 {
        if self.log { value.max(f64::MIN_POSITIVE).ln() } else { value }
    }

    fn widest(&self) -> u32 {
        let letters = self.ticks.iter().map(|(_, l)| l.chars().count()).max().unwrap_or(0);
        (letters as f64 * WIDTH) as u32
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (self.at(*value) - self.at(self.low)) / (self.at(self.high) - self.at(self.low));
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.iter().map(|(v, _)| *v).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let far = |tick: f64| (tick - value).abs();
        let nearest = self.ticks.iter().min_by(|a, b| far(a.0).total_cmp(&far(b.0)));
        nearest.map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// Ticks of a logarithmic axis, at most seven: evenly spaced numbers where it is short, 1, 2 and 5 times powers of ten where it is
/// long, and only such powers where it is longer.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    if high / low < 3.0 {
        let raw = (high - low) / 6.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= raw).unwrap_or(raw);
        let first = (low / step).ceil();
        return (0..8).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= high).collect();
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let within = |set: &[f64], every: i32| -> Vec<f64> {
        let powers = (first..=last).filter(|p| p.rem_euclid(every) == 0);
        let all = powers.flat_map(|p| set.iter().map(move |m| m * 10f64.powi(p)));
        all.filter(|v| (low..=high).contains(v)).collect()
    };
    let sets: [&[f64]; 4] = [&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
    let fine = sets.iter().map(|set| within(set, 1)).find(|ticks| ticks.len() <= 7);
    fine.unwrap_or_else(|| within(&[1.0], ((last - first) / 6).max(1) + 1))
}

/// A label with its middle left out where it is too long.
fn short(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let half = LABEL / 2;
    match (letters.get(..half), letters.len().checked_sub(half).and_then(|from| letters.get(from..))) {
        (Some(head), Some(tail)) if letters.len() > LABEL => {
            head.iter().chain(&['…']).chain(tail).collect::<String>()
        }
        _ => text.into(),
    }
}

impl Plot {
    /// The chart as an SVG element. `title` and `says` are what a screen reader says of it.
    pub(super) fn svg(&self, title: &str, says: &str) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {SIZE} {}\" role=\"img\" aria-label=\"{}\"><title>{}</title><desc>{}</desc>",
            self.height,
            escape(&format!("{title}. {says}")),
            escape(title),
            escape(says)
        );
        let canvas = Canvas::new(&mut svg, (SIZE, self.height));
        // The canvas writes into a string and the layout is ours: there is nothing to fail on.
        let _ = self.draw(canvas);
        svg.push_str("</svg>");
        svg
    }

    fn draw(&self, canvas: Canvas<'_>) -> Result<(), DrawingAreaErrorKind<Infallible>> {
        let root = canvas.into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_right(8 + self.x.widest() / 2)
            .margin_top(8)
            .margin_bottom(4)
            .margin_left(4)
            .x_label_area_size(2 * LETTER + 14)
            .y_label_area_size(self.y.widest() + 12)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let colour = Class::Text.colour();
        let letters = |h, v| ("x", f64::from(LETTER), &colour).into_text_style(&root).pos(Pos::new(h, v));
        chart
            .configure_mesh()
            .disable_y_mesh()
            .bold_line_style(Class::Grid.style())
            .light_line_style(TRANSPARENT)
            .axis_style(Class::Axis.style())
            .x_label_style(letters(HPos::Center, VPos::Top))
            .y_label_style(letters(HPos::Right, VPos::Center))
            .axis_desc_style(letters(HPos::Center, VPos::Bottom))
            .x_desc(self.under.as_str())
            .draw()?;
        for item in &self.items {
            match item.clone() {
                Item::Mark(class, x, y) => {
                    chart.draw_series([Circle::new((x, y), 4, class.style())])?;
                }
                Item::Line(class, ends) => {
                    chart.draw_series([PathElement::new(ends.to_vec(), class.style())])?;
                }
                Item::Bar(class, corners) => {
                    chart.draw_series([Rectangle::new(corners, class.style())])?;
                }
                Item::Area(class, corners) => {
                    chart.draw_series([Polygon::new(corners, class.style())])?;
                }
            }
        }
        root.present()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_some_ticks_but_not_many_whatever_it_spans() {
        for (low, high) in [(0.97, 1.04), (0.5, 2.0), (0.9, 3.4), (0.02, 40.0), (1e-9, 1e9), (3.0, 3.3)] {
            let ticks = log_ticks(low, high);
            assert!((2..=8).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.iter().all(|t| (low..=high).contains(t)) && ticks.is_sorted(), "{ticks:?}");
        }
        let bytes = Axis::from_zero([263.0 * 1048576.0], 1024.0, &|v| (v / 1048576.0).to_string());
        assert_eq!(bytes.ticks.iter().map(|t| t.1.as_str()).collect::<Vec<_>>(), ["0", "100", "200"]);
        for values in [vec![], vec![0.0], vec![f64::NAN], vec![f64::INFINITY, 1e300], vec![1e-300]] {
            for axis in [
                Axis::from_zero(values.clone(), 10.0, &|v| v.to_string()),
                Axis::log(values, &|v| v.to_string()),
            ] {
                assert!(axis.low < axis.high, "{axis:?}");
            }
        }
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        let name = "3.14t+gil/interpreters/with-a-long-name/16";
        assert_eq!(short(name).chars().count(), LABEL);
        assert!(short(name).starts_with("3.14t+gil") && short(name).ends_with("/16"));
        assert_eq!(short("3.14t/2"), "3.14t/2");
    }
}
