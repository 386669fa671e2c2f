//! SVG elements of a chart. Elements have a class and no colour: the style sheet sets their look
//! for light, dark and print, and tests count them by class.
//!
//! Horizontal positions are shares of the width and vertical ones are pixels, so that a drawing
//! fills the page's width while text, marks and lines keep their size.

use super::escape::escape;
use std::fmt::{self, Display, Formatter, Write};

/// The class of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Background lines.
    Grid,
    Axis,
    /// Reference line: no difference.
    Rule,
    /// Ideal scaling.
    Ideal,
    /// A measured value of a series.
    Mark(u8),
    /// The interval of a value.
    Whisker(u8),
    /// The interval of a bar.
    Range,
    Bar(u8),
    /// A second bar in the same row.
    Outline(u8),
    /// Connects the values of a series.
    Line(u8),
    /// Filled area under a line.
    Area(u8),
}

/// Number of series with their own colour. Further series share one colour for "others".
pub(super) const OWN_COLOURS: u8 = 7;

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

/// Font size in pixels.
pub(super) const FONT_SIZE: u32 = 12;
/// Mean width of a character at that size, in pixels.
pub(super) const CHAR_WIDTH: f64 = 6.4;

/// A point: its share of the width, and its pixels from the top.
pub(super) type Point = (f64, f64);

/// Horizontal alignment of a text relative to its point.
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

/// The elements of a drawing. Writing to a string cannot fail.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    pub(super) svg: String,
}

/// Formats a share for SVG; values outside the axis are clamped to its ends.
fn percent(share: f64) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Formats pixels with at most one decimal.
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

    /// Adds filled polygons. Paths cannot have relative coordinates, so they are in a nested SVG
    /// that is stretched to the width.
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

    /// Adds a label of an axis; a `fine` one is hidden on a narrow screen.
    pub(super) fn tick(&mut self, text: &str, (x, y): Point, anchor: Anchor, fine: bool) {
        let (x, y, anchor) = (percent(x), pixel(y), anchor.attribute());
        let fine = if fine { " class=\"fine\"" } else { "" };
        let _ = write!(self.svg, "<text x=\"{x}\" y=\"{y}\"{anchor}{fine}>{}</text>", escape(text));
    }

    /// Adds a text with its baseline at a point. `full` is the tooltip of a shortened text.
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
    fn positions_are_clamped_shares_of_the_width() {
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
