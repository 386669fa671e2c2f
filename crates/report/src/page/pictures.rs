//! Charts as separate SVG files, each with the style for light and dark, and with the legend, which
//! is HTML on the page.

use super::canvas::{CHAR_WIDTH, FONT_SIZE};
use super::chart::{Chart, Series};
use super::escape::escape;
use super::{Page, charts, overview, pair, study};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Width of a picture and its side margins, in pixels.
const PICTURE_WIDTH: u32 = 760;
const MARGIN: u32 = 14;

/// A chart as a file.
#[derive(Debug, Clone)]
pub struct Picture {
    /// File name such as `primes-forest.svg`: only letters, digits, `.`, `_` and `-`.
    pub name: String,
    pub svg: String,
}

/// Returns the charts of a page that have a drawing.
pub fn pictures(page: Page<'_>) -> Vec<Picture> {
    let (pairs, _) = page.pairs();
    let series = Series::of(page.sources.iter().map(crate::Source::view));
    let mut all: Vec<(String, Chart)> = Vec::new();
    if !pairs.is_empty() {
        all.extend(pair::charts(&pairs, &series).into_iter().map(|c| ("both".to_string(), c)));
    } else if let Some(study) = page.study {
        let chapters = study
            .chapters
            .iter()
            .map(|c| (c.title.to_lowercase(), study::chart(study, c, &series)));
        all.extend(chapters);
    } else if page.sources.len() > 1 {
        all.push(("all".into(), overview::chart(page.sources, &series)));
    }
    for source in page.sources {
        all.extend(charts(source.view(), &series).into_iter().map(|c| (source.label.clone(), c)));
    }
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (record, chart) in all {
        let Some(svg) = document(&chart) else { continue };
        let plain: String = record
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
            .take(100)
            .collect();
        let base = format!("{}-{}", plain.trim_matches(['.', '-']), chart.kind);
        let names =
            (1..).map(|n| if n == 1 { format!("{base}.svg") } else { format!("{base}-{n}.svg") });
        let Some(name) = names.take(10_000).find(|n| !taken.contains(n)) else { continue };
        taken.insert(name.clone());
        found.push(Picture { name, svg });
    }
    found
}

/// Renders a chart as an SVG document with namespace, size, style, and the legend below.
fn document(chart: &Chart) -> Option<String> {
    let svg = chart.svg.as_ref()?;
    let inside = PICTURE_WIDTH - 2 * MARGIN;
    let drawing =
        svg.replacen("<svg width=\"100%\"", &format!("<svg x=\"{MARGIN}\" width=\"{inside}\""), 1);
    let (mut legend, mut x, mut y) = (String::new(), MARGIN, chart.height + FONT_SIZE);
    for (series, name) in chart.legend.iter().filter(|_| chart.legend.len() > 1) {
        let wide = 26 + (name.chars().count() as f64 * CHAR_WIDTH) as u32;
        if x + wide > PICTURE_WIDTH && x > MARGIN {
            (x, y) = (MARGIN, y + FONT_SIZE + 6);
        }
        // Without the class of marks: it is not a value.
        let _ = write!(
            legend,
            "<circle class=\"s{series}\" style=\"fill:var(--s)\" cx=\"{}\" cy=\"{}\" r=\"5\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            x + 5,
            y - FONT_SIZE / 3,
            x + 15,
            escape(name)
        );
        x += wide;
    }
    let height = if legend.is_empty() { chart.height } else { y + FONT_SIZE };
    let style = include_str!("chart.css");
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{PICTURE_WIDTH}\" height=\"{height}\" viewBox=\"0 0 {PICTURE_WIDTH} {height}\"><style>{style}\n\
         svg {{ font: {FONT_SIZE}px system-ui, sans-serif; fill: var(--ink); }} :root {{ background: var(--paper); }}</style>{drawing}{legend}</svg>\n"
    ))
}
