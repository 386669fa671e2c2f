//! Layout of a chart: axes and shapes as data, rendered as SVG. No figure is computed here.

use super::canvas::{Anchor, CHAR_WIDTH, Canvas, Class, FONT_SIZE};
use super::escape::escape;

/// Maximum number of characters of a row's name, which fit on a phone.
const MAX_LABEL: usize = 46;

/// Width of a drawing on a narrow screen, in pixels.
const NARROW_WIDTH: f64 = 350.0;

/// Heights in pixels: of a row's name, between rows, above and below all rows.
const NAME_HEIGHT: u32 = FONT_SIZE + 4;
const ROW_GAP: u32 = 6;
const TOP_MARGIN: u32 = 6;
const BOTTOM_MARGIN: u32 = 2 * FONT_SIZE + 16;

/// Height in pixels of a chart with two scales.
const SCALE_HEIGHT: u32 = 300;

/// An axis with its ticks.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    log: bool,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

/// A shape in the coordinates of the axes.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A dot.
    Mark(Class, f64, f64),
    /// A straight line between two points.
    Line(Class, [(f64, f64); 2]),
    /// A filled rectangle between two corners.
    Bar(Class, [(f64, f64); 2]),
    /// A filled polygon.
    Area(Class, Vec<(f64, f64)>),
}

/// The vertical axis.
#[derive(Debug, Clone)]
pub(super) enum VerticalAxis {
    /// Rows from top to bottom, one unit each: the middle of the first is at 0.5. A row's name is
    /// above it, where it can use the full width.
    Rows {
        names: Vec<String>,
        /// Height of a row in pixels without its name.
        each: u32,
    },
    /// Values that increase upwards.
    Scale(Axis),
}

/// A chart's axes and shapes.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) x: Axis,
    pub(super) y: VerticalAxis,
    /// Label of the horizontal axis.
    pub(super) x_label: String,
    pub(super) shapes: Vec<Shape>,
}

impl Axis {
    /// Returns an axis from 0 that contains all values. Ticks are round in units of a power of
    /// `base`: 10, or 1024 for bytes.
    pub(super) fn from_zero(
        values: impl IntoIterator<Item = f64>,
        base: f64,
        label: &dyn Fn(f64) -> String,
    ) -> Axis {
        let high = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let high = if high > 0.0 { high * 1.03 } else { 1.0 };
        // Three to six ticks at 1, 2 or 5 times a power of ten of the displayed unit.
        let unit =
            if base == 10.0 { 1.0 } else { base.powf((high / 4.0).log(base).floor().max(0.0)) };
        let raw = high / 4.0;
        let power = unit * 10f64.powf((raw / unit).log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= raw).unwrap_or(raw);
        let ticks = (0..=10).map(|i| f64::from(i) * step).take_while(|v| *v <= high);
        let label = |v: f64| if v == 0.0 { "0".into() } else { label(v) };
        Axis { log: false, low: 0.0, high, ticks: ticks.map(|v| (v, label(v))).collect() }
    }

    /// Returns a logarithmic axis that contains all positive values.
    pub(super) fn log(
        values: impl IntoIterator<Item = f64>,
        label: &dyn Fn(f64) -> String,
    ) -> Axis {
        let all = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = all.fold((f64::INFINITY, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (0.5, 2.0) };
        // At least a factor of 1.2 from end to end, with a margin.
        let margin = ((1.2 / (high / low)).sqrt()).max(1.0) * (high / low).powf(0.04);
        let (low, high) = (low / margin, high * margin);
        let ticks = log_ticks(low, high).into_iter().map(|v| (v, label(v)));
        Axis { log: true, low, high, ticks: ticks.collect() }
    }

    /// Returns a logarithmic axis with a tick at each of these values.
    pub(super) fn log_at(values: &[f64]) -> Axis {
        let mut axis = Axis::log(values.iter().copied(), &|v| v.to_string());
        axis.ticks = values.iter().map(|&v| (v, v.to_string())).collect();
        axis
    }

    fn transform(&self, value: f64) -> f64 {
        if self.log { value.max(f64::MIN_POSITIVE).ln() } else { value }
    }

    /// Returns the position of a value as a share of the axis.
    fn share(&self, value: f64) -> f64 {
        let low = self.transform(self.low);
        (self.transform(value) - low) / (self.transform(self.high) - low)
    }
}

/// Returns at most about seven ticks of a logarithmic axis: evenly spaced numbers if it is short,
/// 1, 2 and 5 times powers of ten if it is longer, and only powers of ten if it is very long.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    if high / low < 3.0 {
        let raw = (high - low) / 6.0;
        let power = 10f64.powf(raw.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= raw).unwrap_or(raw);
        let first = (low / step).ceil();
        return (0..8).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= high).collect();
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let within = |set: &[f64], every: i32| -> Vec<f64> {
        let powers = (first..=last).filter(|p| p.rem_euclid(every) == 0);
        let all = powers.flat_map(|p| set.iter().map(move |m| m * 10f64.powi(p)));
        all.filter(|v| (low..=high).contains(v)).collect()
    };
    let sets: [&[f64]; 4] =
        [&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
    let fine = sets.iter().map(|set| within(set, 1)).find(|ticks| ticks.len() <= 7);
    fine.unwrap_or_else(|| within(&[1.0], ((last - first) / 6).max(1) + 1))
}

/// Shortens a label that is too long. It begins with the workload's name and ends with the arm, so
/// the beginning and the end are kept.
fn shortened(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let tail = MAX_LABEL / 4;
    let head = letters.get(..MAX_LABEL - tail - 1).filter(|_| letters.len() > MAX_LABEL)?;
    let tail = letters.get(letters.len() - tail..)?;
    Some(head.iter().chain(&['…']).chain(tail).collect())
}

impl Plot {
    /// Returns the distance from the top to the horizontal axis, in pixels.
    fn floor(&self) -> u32 {
        match &self.y {
            VerticalAxis::Rows { names, each } => {
                let rows = u32::try_from(names.len()).unwrap_or(u32::MAX).clamp(1, 4000);
                TOP_MARGIN + rows * (NAME_HEIGHT + each + ROW_GAP)
            }
            VerticalAxis::Scale(_) => SCALE_HEIGHT - BOTTOM_MARGIN,
        }
    }

    /// Returns the height of the drawing in pixels.
    pub(super) fn height(&self) -> u32 {
        self.floor() + BOTTOM_MARGIN
    }

    /// Converts a point from the axes' coordinates to the drawing's.
    fn position(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let floor = f64::from(self.floor());
        let vertical = match &self.y {
            VerticalAxis::Rows { names, .. } if y >= names.len() as f64 => floor,
            VerticalAxis::Rows { each, .. } => {
                let row = y.max(0.0).floor();
                f64::from(TOP_MARGIN + NAME_HEIGHT)
                    + row * f64::from(NAME_HEIGHT + each + ROW_GAP)
                    + (y - row) * f64::from(*each)
            }
            VerticalAxis::Scale(axis) => {
                let top = f64::from(TOP_MARGIN + NAME_HEIGHT);
                floor - axis.share(y).clamp(0.0, 1.0) * (floor - top)
            }
        };
        (self.x.share(x), vertical)
    }

    /// Renders the chart as an SVG element that fills the width of its container. Screen readers
    /// read `title` and `description`.
    pub(super) fn svg(&self, title: &str, description: &str) -> String {
        let mut canvas = Canvas {
            svg: format!(
                "<svg width=\"100%\" height=\"{}\" role=\"img\" aria-label=\"{}\"><title>{}</title><desc>{}</desc>",
                self.height(),
                escape(&format!("{title}. {description}")),
                escape(title),
                escape(description)
            ),
        };
        self.draw(&mut canvas);
        canvas.svg.push_str("</svg>");
        canvas.svg
    }

    fn draw(&self, canvas: &mut Canvas) {
        let floor = f64::from(self.floor());
        match &self.y {
            VerticalAxis::Rows { .. } => {
                for share in self.x.ticks.iter().map(|(v, _)| self.x.share(*v)) {
                    canvas.line(Class::Grid, (share, f64::from(TOP_MARGIN)), (share, floor));
                }
            }
            VerticalAxis::Scale(axis) => {
                for y in axis.ticks.iter().map(|(v, _)| self.position((self.x.low, *v)).1) {
                    canvas.line(Class::Grid, (0.0, y), (1.0, y));
                }
            }
        }
        let areas = self.shapes.iter().filter_map(|shape| match shape {
            Shape::Area(class, corners) => Some((*class, corners.as_slice())),
            _ => None,
        });
        canvas.areas(self.floor(), areas, |point| self.position(point));
        canvas.line(Class::Axis, (0.0, floor), (1.0, floor));
        for shape in &self.shapes {
            match *shape {
                Shape::Mark(class, x, y) => canvas.circle(class, self.position((x, y))),
                Shape::Line(class, [a, b]) => {
                    canvas.line(class, self.position(a), self.position(b))
                }
                Shape::Bar(class, [a, b]) => canvas.rect(class, self.position(a), self.position(b)),
                Shape::Area(..) => {}
            }
        }
        self.draw_labels(canvas);
    }

    /// Draws names and tick labels on top of everything else.
    fn draw_labels(&self, canvas: &mut Canvas) {
        match &self.y {
            VerticalAxis::Rows { names, .. } => {
                for (row, name) in names.iter().enumerate() {
                    let (_, y) = self.position((self.x.low, row as f64));
                    let short = shortened(name);
                    let full = short.as_ref().map(|_| name.as_str());
                    canvas.text(
                        short.as_deref().unwrap_or(name),
                        full,
                        (0.0, y - 4.0),
                        Anchor::Start,
                    );
                }
            }
            VerticalAxis::Scale(axis) => {
                for (value, label) in &axis.ticks {
                    let (_, y) = self.position((self.x.low, *value));
                    canvas.text(label, None, (0.0, y - 4.0), Anchor::Start);
                }
            }
        }
        let floor = f64::from(self.floor());
        let mut taken = f64::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let share = self.x.share(*value);
            let wide = label.chars().count() as f64 * CHAR_WIDTH;
            // A label at an end of the axis stays inside the drawing.
            let (anchor, left) = match share {
                s if s < 0.08 => (Anchor::Start, s * NARROW_WIDTH),
                s if s > 0.92 => (Anchor::End, s * NARROW_WIDTH - wide),
                s => (Anchor::Middle, s * NARROW_WIDTH - wide / 2.0),
            };
            // A label that would touch the previous one on a narrow screen is hidden there.
            let fine = left < taken + CHAR_WIDTH;
            if !fine {
                taken = left + wide;
            }
            let point = (share, floor + f64::from(FONT_SIZE + 3));
            canvas.tick(label, point, anchor, fine);
        }
        let bottom = f64::from(self.height()) - 5.0;
        let short = shortened(&self.x_label);
        let full = short.as_ref().map(|_| self.x_label.as_str());
        canvas.text(short.as_deref().unwrap_or(&self.x_label), full, (0.5, bottom), Anchor::Middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_two_to_eight_ticks() {
        for (low, high) in
            [(0.97, 1.04), (0.5, 2.0), (0.9, 3.4), (0.02, 40.0), (1e-9, 1e9), (3.0, 3.3)]
        {
            let ticks = log_ticks(low, high);
            assert!((2..=8).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(
                ticks.iter().all(|t| (low..=high).contains(t)) && ticks.is_sorted(),
                "{ticks:?}"
            );
        }
        let bytes = Axis::from_zero([263.0 * 1048576.0], 1024.0, &|v| (v / 1048576.0).to_string());
        assert_eq!(
            bytes.ticks.iter().map(|t| t.1.as_str()).collect::<Vec<_>>(),
            ["0", "100", "200"]
        );
        for values in [vec![], vec![0.0], vec![f64::NAN], vec![f64::INFINITY, 1e300], vec![1e-300]]
        {
            for axis in [
                Axis::from_zero(values.clone(), 10.0, &|v| v.to_string()),
                Axis::log(values, &|v| v.to_string()),
            ] {
                assert!(axis.low < axis.high, "{axis:?}");
            }
        }
    }

    #[test]
    fn a_long_label_keeps_workload_and_arm() {
        let name = "orders_of_the_whole_year.py 2026-11-22T214310Z 3.14t+gil/interpreters/16";
        let short = shortened(name).expect("a name that is too long");
        assert_eq!(short.chars().count(), MAX_LABEL);
        assert!(
            short.starts_with("orders_of_the_whole_year.py ") && short.ends_with("/16"),
            "{short}"
        );
        assert_eq!(shortened("2026-11-22T214310Z-primes-4635 3.14t/2"), None);
    }

    #[test]
    fn rows_lie_between_their_names_and_the_axis() {
        let names = vec!["one".to_string(), "two".into()];
        let plot = Plot {
            x: Axis::log([1.0, 2.0], &|v| v.to_string()),
            y: VerticalAxis::Rows { names, each: 20 },
            x_label: String::new(),
            shapes: Vec::new(),
        };
        let y = |v: f64| plot.position((1.0, v)).1;
        let floor = f64::from(plot.floor());
        assert!(y(0.0) >= f64::from(TOP_MARGIN + NAME_HEIGHT) && y(0.5) - y(0.0) == 10.0);
        // The second row's name fits above it.
        assert!(y(1.0) - y(0.99) > f64::from(NAME_HEIGHT), "{} {}", y(0.99), y(1.0));
        assert!(y(1.99) < floor && y(2.0) == floor);
    }
}
