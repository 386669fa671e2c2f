//! Every chart as an SVG file of its own: with its style, light and dark, and with its legend, which on the page is HTML.

use super::canvas::{LETTER, WIDTH};
use super::chart::Chart;
use super::escape::escape;
use super::plot::SIZE;
use super::{Page, charts, overview, pair, study};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A chart as a file.
#[derive(Debug, Clone)]
pub struct Picture {
    /// `primes-forest.svg`: letters, digits, `.`, `_` and `-` only.
    pub name: String,
    /// Its content.
    pub svg: String,
}

/// The charts of a page, those without a drawing left out.
pub fn pictures(page: Page<'_>) -> Vec<Picture> {
    let (pairs, _) = page.pairs();
    let mut all: Vec<(String, Chart)> = Vec::new();
    if !pairs.is_empty() {
        all.extend(pair::charts(&pairs).into_iter().map(|c| ("both".to_string(), c)));
    } else if let Some(study) = page.study {
        let chapters = study.chapters.iter().map(|c| (c.title.to_lowercase(), study::chart(study, c)));
        all.extend(chapters);
    } else if page.sources.len() > 1 {
        all.push(("all".into(), overview::chart(page.sources)));
    }
    for source in page.sources {
        all.extend(charts(source.view()).into_iter().map(|c| (source.label.clone(), c)));
    }
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (record, chart) in all {
        let Some(svg) = alone(&chart) else { continue };
        let plain: String = record
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
            .take(100)
            .collect();
        let base = format!("{}-{}", plain.trim_matches(['.', '-']), chart.kind);
        let names = (1..).map(|n| if n == 1 { format!("{base}.svg") } else { format!("{base}-{n}.svg") });
        let Some(name) = names.take(10_000).find(|n| !taken.contains(n)) else { continue };
        taken.insert(name.clone());
        found.push(Picture { name, svg });
    }
    found
}

/// A chart's SVG as a document: its name space, its size, its style, its legend below.
fn alone(chart: &Chart) -> Option<String> {
    let svg = chart.svg.as_ref()?;
    let (open, rest) = svg.split_once('>')?;
    let (_, tall) = open.split_once(&format!("viewBox=\"0 0 {SIZE} "))?;
    let drawn: u32 = tall.split('"').next()?.parse().ok()?;
    let (mut legend, mut x, mut y) = (String::new(), 12, drawn + LETTER);
    for (series, name) in chart.legend.iter().filter(|_| chart.legend.len() > 1) {
        let wide = 26 + (name.chars().count() as f64 * WIDTH) as u32;
        if x + wide > SIZE && x > 12 {
            (x, y) = (12, y + LETTER + 6);
        }
        // Not of the class that marks have: it is no value.
        let _ = write!(
            legend,
            "<circle class=\"s{series}\" style=\"fill:var(--s)\" cx=\"{x}\" cy=\"{}\" r=\"5\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            y - LETTER / 3,
            x + 10,
            escape(name)
        );
        x += wide;
    }
    let height = if legend.is_empty() { drawn } else { y + LETTER };
    let open = open.replace(&format!("0 0 {SIZE} {drawn}"), &format!("0 0 {SIZE} {height}"));
    let rest = rest.strip_suffix("</svg>")?;
    let style = include_str!("chart.css");
    Some(format!(
        "{open} xmlns=\"http://www.w3.org/2000/svg\" width=\"{SIZE}\" height=\"{height}\"><style>{style}\n\
         svg {{ font: {LETTER}px system-ui, sans-serif; fill: var(--ink); background: var(--paper); }}</style>{rest}{legend}</svg>\n"
    ))
}
