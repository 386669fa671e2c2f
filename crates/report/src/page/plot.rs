//! A chart as data (axes and what is on them), and its SVG. Nothing here computes a figure.

use super::canvas::{Anchor, Canvas, Class, LETTER, WIDTH};
use super::escape::escape;

/// Longest name of a row, in letters: as many as a phone has room for.
const LABEL: usize = 46;

/// Width of a drawing on a narrow screen, in pixels.
const NARROW: f64 = 350.0;

/// Pixels of a row's name, between rows, above and below all rows.
const NAME: u32 = LETTER + 4;
const GAP: u32 = 6;
const TOP: u32 = 6;
const BOTTOM: u32 = 2 * LETTER + 16;

/// Pixels of a chart with two scales.
const SQUARE: u32 = 300;

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

/// What the vertical places of items mean.
#[derive(Debug, Clone)]
pub(super) enum Down {
    /// Rows from the top down, one unit each: the middle of the first is at 0.5. A row's name
    /// stands above it, where it has the width of the chart.
    Rows {
        /// Their names.
        names: Vec<String>,
        /// Pixels of a row without its name.
        each: u32,
    },
    /// Values on an axis, more is up.
    Scale(Axis),
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) x: Axis,
    pub(super) down: Down,
    /// What the horizontal axis shows.
    pub(super) under: String,
    pub(super) items: Vec<Item>,
}

impl Axis {
    /// From 0 to what holds every value. Ticks are round in units of `base` to some power: 10, or
    /// 1024 for bytes.
    pub(super) fn from_zero(
        values: impl IntoIterator<Item = f64>,
        base: f64,
        label: &dyn Fn(f64) -> String,
    ) -> Axis {
        let high = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let high = if high > 0.0 { high * 1.03 } else { 1.0 };
        // Three to six ticks at 1, 2 or 5 times a power of ten of the unit that will be shown.
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

    /// Logarithmic, around every value; values that are not positive do not count.
    pub(super) fn log(
        values: impl IntoIterator<Item = f64>,
        label: &dyn Fn(f64) -> String,
    ) -> Axis {
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

    /// The share of the axis that lies below a value.
    fn share(&self, value: f64) -> f64 {
        (self.at(value) - self.at(self.low)) / (self.at(self.high) - self.at(self.low))
    }
}

/// Ticks of a logarithmic axis, at most seven: evenly spaced numbers where it is short, 1, 2 and 5
/// times powers of ten where it is long, and only such powers where it is longer.
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

/// A name as it is drawn. A label begins with the name of what ran and ends with its arm: of a long
/// one most of the beginning and the end are kept.
fn short(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let tail = LABEL / 4;
    let head = letters.get(..LABEL - tail - 1).filter(|_| letters.len() > LABEL)?;
    let tail = letters.get(letters.len() - tail..)?;
    Some(head.iter().chain(&['…']).chain(tail).collect())
}

impl Plot {
    /// Pixels from the top to the horizontal axis.
    fn floor(&self) -> u32 {
        match &self.down {
            Down::Rows { names, each } => {
                let rows = u32::try_from(names.len()).unwrap_or(u32::MAX).clamp(1, 4000);
                TOP + rows * (NAME + each + GAP)
            }
            Down::Scale(_) => SQUARE - BOTTOM,
        }
    }

    /// Pixels of the whole drawing.
    pub(super) fn height(&self) -> u32 {
        self.floor() + BOTTOM
    }

    /// Where a point of the chart is drawn.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let floor = f64::from(self.floor());
        let down = match &self.down {
            Down::Rows { names, .. } if y >= names.len() as f64 => floor,
            Down::Rows { each, .. } => {
                let row = y.max(0.0).floor();
                f64::from(TOP + NAME)
                    + row * f64::from(NAME + each + GAP)
                    + (y - row) * f64::from(*each)
            }
            Down::Scale(axis) => {
                let top = f64::from(TOP + NAME);
                floor - axis.share(y).clamp(0.0, 1.0) * (floor - top)
            }
        };
        (self.x.share(x), down)
    }

    /// The chart as an SVG element that fills the width of what it stands in. `title` and `says`
    /// are what a screen reader says of it.
    pub(super) fn svg(&self, title: &str, says: &str) -> String {
        let mut canvas = Canvas {
            svg: format!(
                "<svg width=\"100%\" height=\"{}\" role=\"img\" aria-label=\"{}\"><title>{}</title><desc>{}</desc>",
                self.height(),
                escape(&format!("{title}. {says}")),
                escape(title),
                escape(says)
            ),
        };
        self.draw(&mut canvas);
        canvas.svg.push_str("</svg>");
        canvas.svg
    }

    fn draw(&self, canvas: &mut Canvas) {
        let floor = f64::from(self.floor());
        match &self.down {
            Down::Rows { .. } => {
                for share in self.x.ticks.iter().map(|(v, _)| self.x.share(*v)) {
                    canvas.line(Class::Grid, (share, f64::from(TOP)), (share, floor));
                }
            }
            Down::Scale(axis) => {
                for y in axis.ticks.iter().map(|(v, _)| self.place((self.x.low, *v)).1) {
                    canvas.line(Class::Grid, (0.0, y), (1.0, y));
                }
            }
        }
        let areas = self.items.iter().filter_map(|item| match item {
            Item::Area(class, corners) => Some((*class, corners.as_slice())),
            _ => None,
        });
        canvas.areas(self.floor(), areas, |point| self.place(point));
        canvas.line(Class::Axis, (0.0, floor), (1.0, floor));
        for item in &self.items {
            match *item {
                Item::Mark(class, x, y) => canvas.circle(class, self.place((x, y))),
                Item::Line(class, [a, b]) => canvas.line(class, self.place(a), self.place(b)),
                Item::Bar(class, [a, b]) => canvas.rect(class, self.place(a), self.place(b)),
                Item::Area(..) => {}
            }
        }
        self.letters(canvas);
    }

    /// Names and numbers, over everything else.
    fn letters(&self, canvas: &mut Canvas) {
        match &self.down {
            Down::Rows { names, .. } => {
                for (row, name) in names.iter().enumerate() {
                    let (_, y) = self.place((self.x.low, row as f64));
                    let short = short(name);
                    let full = short.as_ref().map(|_| name.as_str());
                    canvas.text(
                        short.as_deref().unwrap_or(name),
                        full,
                        (0.0, y - 4.0),
                        Anchor::Start,
                    );
                }
            }
            Down::Scale(axis) => {
                for (value, label) in &axis.ticks {
                    let (_, y) = self.place((self.x.low, *value));
                    canvas.text(label, None, (0.0, y - 4.0), Anchor::Start);
                }
            }
        }
        let floor = f64::from(self.floor());
        let mut taken = f64::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let share = self.x.share(*value);
            let wide = label.chars().count() as f64 * WIDTH;
            // A number at an end of the axis stays inside of the drawing.
            let (anchor, left) = match share {
                s if s < 0.08 => (Anchor::Start, s * NARROW),
                s if s > 0.92 => (Anchor::End, s * NARROW - wide),
                s => (Anchor::Middle, s * NARROW - wide / 2.0),
            };
            // A number that would touch the one before it on a narrow screen is left out there.
            let fine = left < taken + WIDTH;
            if !fine {
                taken = left + wide;
            }
            let point = (share, floor + f64::from(LETTER + 3));
            canvas.tick(label, point, anchor, fine);
        }
        let under = f64::from(self.height()) - 5.0;
        let short = short(&self.under);
        let full = short.as_ref().map(|_| self.under.as_str());
        canvas.text(short.as_deref().unwrap_or(&self.under), full, (0.5, under), Anchor::Middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_some_ticks_but_not_many_whatever_it_spans() {
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
    fn a_long_name_keeps_what_ran_and_its_arm() {
        let name = "orders_of_the_whole_year.py 2026-11-22T214310Z 3.14t+gil/interpreters/16";
        let short = short(name).expect("a name that is too long");
        assert_eq!(short.chars().count(), LABEL);
        assert!(
            short.starts_with("orders_of_the_whole_year.py ") && short.ends_with("/16"),
            "{short}"
        );
        assert_eq!(super::short("2026-11-22T214310Z-primes-4635 3.14t/2"), None);
    }

    #[test]
    fn rows_lie_between_their_names_and_the_axis() {
        let names = vec!["one".to_string(), "two".into()];
        let plot = Plot {
            x: Axis::log([1.0, 2.0], &|v| v.to_string()),
            down: Down::Rows { names, each: 20 },
            under: String::new(),
            items: Vec::new(),
        };
        let y = |v: f64| plot.place((1.0, v)).1;
        let floor = f64::from(plot.floor());
        assert!(y(0.0) >= f64::from(TOP + NAME) && y(0.5) - y(0.0) == 10.0);
        // The name of the second row fits above it.
        assert!(y(1.0) - y(0.99) > f64::from(NAME), "{} {}", y(0.99), y(1.0));
        assert!(y(1.99) < floor && y(2.0) == floor);
    }
}
