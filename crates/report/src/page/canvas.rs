//! SVG as the page needs it: each element says what it is by a class, and has no colour of its own.
//!
//! A chart must look right in light, dark and print, and a test must be able to count its marks. So what plotters calls a
//! colour is here the name of a class (see [`Class`]), and the style sheet decides how that looks.

use super::escape::escape;
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{RGBColor, ShapeStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};
use std::convert::Infallible;
use std::fmt::Write;

/// What an element of a chart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Lines behind everything.
    Grid,
    /// The axes.
    Axis,
    /// Words and numbers.
    Text,
    /// The line from which a difference is read.
    Rule,
    /// What would be, were nothing lost.
    Ideal,
    /// A measured value.
    Mark(u8),
    /// From one end of an interval to the other.
    Whisker(u8),
    /// A measured value as a length.
    Bar(u8),
    /// Between the values of one series.
    Line(u8),
    /// What lies under a line.
    Area(u8),
}

/// Series that look different; more of them begin again.
pub(super) const SERIES: u8 = 6;

impl Class {
    /// The class as plotters carries it.
    pub(super) fn colour(self) -> RGBColor {
        let (kind, series) = match self {
            Class::Grid => (0, 0),
            Class::Axis => (1, 0),
            Class::Text => (2, 0),
            Class::Rule => (3, 0),
            Class::Ideal => (4, 0),
            Class::Mark(s) => (5, s),
            Class::Whisker(s) => (6, s),
            Class::Bar(s) => (7, s),
            Class::Line(s) => (8, s),
            Class::Area(s) => (9, s),
        };
        RGBColor(kind, series, 0)
    }

    /// The same for shapes.
    pub(super) fn style(self) -> ShapeStyle {
        ShapeStyle { color: self.colour().into(), filled: true, stroke_width: 1 }
    }

    fn name(colour: BackendColor) -> String {
        let (kind, series, _) = colour.rgb;
        let name = ["g", "ax", "t", "rule", "ideal", "mark", "whisker", "bar", "line", "area"];
        let name = name.get(usize::from(kind)).copied().unwrap_or("t");
        if kind < 5 { name.into() } else { format!("{name} s{}", series % SERIES) }
    }
}

/// Letters of this height, in the chart's units.
pub(super) const LETTER: u32 = 12;
/// How wide a letter of a usual typeface is, on average, at that height.
pub(super) const WIDTH: f64 = 6.4;

/// A drawing under way.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    size: (u32, u32),
    svg: &'a mut String,
    /// Class of the path that is still open, to which lines of the same class are added.
    open: Option<String>,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Canvas<'a> {
    /// An empty drawing whose elements are added to `svg`.
    pub(super) fn new(svg: &'a mut String, size: (u32, u32)) -> Canvas<'a> {
        Canvas { size, svg, open: None }
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.svg.push_str("\"/>");
        }
    }

    /// Adds an element. Writing to a string cannot fail.
    fn put(&mut self, element: std::fmt::Arguments<'_>) -> Drawn {
        self.close();
        let _ = self.svg.write_fmt(element);
        Ok(())
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.close();
        Ok(())
    }

    fn draw_pixel(&mut self, _: BackendCoord, _: BackendColor) -> Drawn {
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let class = Class::name(style.color());
        let shared = style.color().rgb.0 < 2;
        if self.open.as_ref() != Some(&class) {
            self.put(format_args!("<path class=\"{class}\" d=\""))?;
            self.open = Some(class);
        }
        for (i, (x, y)) in path.into_iter().enumerate() {
            let _ = write!(self.svg, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
        }
        if !shared {
            self.close();
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x0, y0): BackendCoord,
        (x1, y1): BackendCoord,
        style: &S,
        _: bool,
    ) -> Drawn {
        let (x, y, w, h) = (x0.min(x1), y0.min(y1), (x1 - x0).abs(), (y1 - y0).abs());
        self.put(format_args!(
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>",
            Class::name(style.color())
        ))
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, r: u32, style: &S, _: bool) -> Drawn {
        self.put(format_args!(
            "<circle class=\"{}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>",
            Class::name(style.color())
        ))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.put(format_args!("<path class=\"{}\" d=\"", Class::name(style.color())))?;
        for (i, (x, y)) in corners.into_iter().enumerate() {
            let _ = write!(self.svg, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
        }
        self.svg.push_str("Z\"/>");
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Right => " text-anchor=\"end\"",
            HPos::Center => " text-anchor=\"middle\"",
        };
        let letter = LETTER as i32;
        let y = match style.anchor().v_pos {
            VPos::Top => y + letter * 4 / 5,
            VPos::Center => y + letter * 7 / 20,
            VPos::Bottom => y - letter / 5,
        };
        self.put(format_args!("<text x=\"{x}\" y=\"{y}\"{anchor}>{}</text>", escape(text)))
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok(((text.chars().count() as f64 * WIDTH) as u32, LETTER))
    }
}
