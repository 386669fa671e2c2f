//! SVG elements of a chart. An element names what it is by a class and has no colour of its own:
//! the style sheet decides how it looks in light, dark and print, and a test can count it.
//!
//! A horizontal place is a share of the width and a vertical one is a number of pixels. So a
//! drawing is as wide as the page allows while letters, marks and lines keep their size.

use super::escape::escape;
use std::fmt::{self, Display, Formatter, Write};

/// What an element of a chart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Lines behind everything.
    Grid,
    /// The axes.
    Axis,
    /// The line from which a difference is read.
    Rule,
    /// The value if nothing were lost.
    Ideal,
    /// A measured value.
    Mark(u8),
    /// From one end of an interval to the other.
    Whisker(u8),
    /// From one end of a bar's interval to the other.
    Range,
    /// A measured value as a length.
    Bar(u8),
    /// A second measured value of the same row as a length.
    Outline(u8),
    /// Between the values of one series.
    Line(u8),
    /// What lies under a line.
    Area(u8),
}

/// Series with a colour of their own. The ones after them share one that means "others".
pub(super) const SERIES: u8 = 7;

impl Display for Class {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Class::Grid => f.write_str("g"),
            Class::Axis => f.write_str("ax"),
            Class::Rule => f.write_str("rule"),
            Class::Ideal => f.write_str("ideal"),
            Class::Mark(s) => write!(f, "mark s{s}"),
            Class::Whisker(s) => write!(f, "whisker s{s}"),
            Class::Range => f.write_str("whisker"),
            Class::Bar(s) => write!(f, "bar s{s}"),
            Class::Outline(s) => write!(f, "bar second s{s}"),
            Class::Line(s) => write!(f, "line s{s}"),
            Class::Area(s) => write!(f, "area s{s}"),
        }
    }
}

/// Height of a letter in pixels.
pub(super) const LETTER: u32 = 12;
/// Mean width of a letter of a common typeface at that height.
pub(super) const WIDTH: f64 = 6.4;

/// A point: its share of the width, and its pixel from the top.
pub(super) type Point = (f64, f64);

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn attribute(self) -> &'static str {
        match self {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        }
    }
}

/// Elements of a drawing. Writing to a string cannot fail.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    pub(super) svg: String,
}

/// A share as SVG has it; a value beyond the axis stays at its end.
fn percent(share: f64) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A pixel without digits that nobody sees.
fn pixel(y: f64) -> String {
    let text = format!("{y:.1}");
    text.trim_end_matches(".0").into()
}

impl Canvas {
    pub(super) fn line(&mut self, class: Class, from: Point, to: Point) {
        let [x1, x2] = [from.0, to.0].map(percent);
        let [y1, y2] = [from.1, to.1].map(pixel);
        let _ = write!(
            self.svg,
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        );
    }

    pub(super) fn circle(&mut self, class: Class, (x, y): Point) {
        let (x, y) = (percent(x), pixel(y));
        let _ = write!(self.svg, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>");
    }

    pub(super) fn rect(&mut self, class: Class, a: Point, b: Point) {
        let (x, width) = (percent(a.0.min(b.0)), percent((a.0 - b.0).abs()));
        let (y, height) = (pixel(a.1.min(b.1)), pixel((a.1 - b.1).abs()));
        let _ = write!(
            self.svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        );
    }

    /// Filled polygons. A path has no shares, so they stand in a drawing of their own that is
    /// stretched to the width.
    pub(super) fn areas<'a>(
        &mut self,
        height: u32,
        areas: impl Iterator<Item = (Class, &'a [Point])>,
        place: impl Fn(Point) -> Point,
    ) {
        let start = self.svg.len();
        for (class, corners) in areas {
            let _ = write!(self.svg, "<path class=\"{class}\" d=\"");
            for (i, corner) in corners.iter().enumerate() {
                let (x, y) = place(*corner);
                let letter = if i == 0 { 'M' } else { 'L' };
                let _ = write!(self.svg, "{letter}{:.0} {}", x.clamp(0.0, 1.0) * 1000.0, pixel(y));
            }
            self.svg.push_str("Z\"/>");
        }
        if self.svg.len() > start {
            let open = format!(
                "<svg width=\"100%\" height=\"{height}\" viewBox=\"0 0 1000 {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
            );
            self.svg.insert_str(start, &open);
            self.svg.push_str("</svg>");
        }
    }

    /// A number of an axis; a `fine` one is not shown on a narrow screen.
    pub(super) fn tick(&mut self, text: &str, (x, y): Point, anchor: Anchor, fine: bool) {
        let (x, y, anchor) = (percent(x), pixel(y), anchor.attribute());
        let fine = if fine { " class=\"fine\"" } else { "" };
        let _ = write!(self.svg, "<text x=\"{x}\" y=\"{y}\"{anchor}{fine}>{}</text>", escape(text));
    }

    /// A text with its base line at the point; `full` is shown on hover where the text is only a
    /// part of it.
    pub(super) fn text(&mut self, text: &str, full: Option<&str>, (x, y): Point, anchor: Anchor) {
        let (x, y, anchor) = (percent(x), pixel(y), anchor.attribute());
        let _ = write!(self.svg, "<text x=\"{x}\" y=\"{y}\"{anchor}>{}", escape(text));
        if let Some(full) = full {
            let _ = write!(self.svg, "<title>{}</title>", escape(full));
        }
        self.svg.push_str("</text>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_share_of_the_width_and_never_outside_of_it() {
        for (share, shown) in [
            (0.0, "0%"),
            (0.5, "50%"),
            (1.0 / 3.0, "33.33%"),
            (7.0, "100%"),
            (f64::NAN, "0%"),
            (-1.0, "0%"),
        ] {
            assert_eq!(percent(share), shown);
        }
        assert_eq!((pixel(3.0), pixel(10.25)), ("3".into(), "10.2".into()));
    }
}
