//! Many records that make up one study: chapter by chapter what they say, every arm in one chart beside what it is compared with.
//! Who made the study hands its words and figures in; nothing here computes one.

use super::canvas::{Class, SERIES};
use super::chart::{Chart, Table, height};
use super::markup;
use super::plot::{Axis, Item, Plot};
use super::ratios::tick;

/// Experiments of a chapter, and arms of one of them, that are drawn; a taller chart could not be taken in.
const MOST: usize = 200;
const ARMS: usize = 60;

/// A study, ready to be shown.
#[derive(Debug, Clone, Default)]
pub struct Study {
    /// What every arm is compared with, in a few words: `3.14, as many workers`.
    pub reference: String,
    /// What follows from it, in sentences.
    pub findings: Vec<String>,
    /// What failed, what was left out, what puts figures in doubt.
    pub cautions: Vec<String>,
    /// Its parts.
    pub chapters: Vec<Chapter>,
}

/// A part of a study.
#[derive(Debug, Clone, Default)]
pub struct Chapter {
    /// Its heading.
    pub title: String,
    /// What its experiments say together.
    pub words: Vec<String>,
    /// Headings of its table.
    pub head: Vec<String>,
    /// Its arms, those of one experiment together.
    pub arms: Vec<Beside>,
}

/// An arm of an experiment beside its reference.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The experiment's name.
    pub experiment: String,
    /// The arm's.
    pub arm: String,
    /// Its time over its reference's: the ratio and its interval's ends.
    pub ratio: Option<[f64; 3]>,
    /// Its row of the table.
    pub cells: Vec<String>,
}

/// The study as HTML.
pub(super) fn html(study: &Study) -> String {
    let mut html = "<section id=\"study\">".to_string();
    html.push_str(&markup::list("words", &study.findings));
    html.push_str(&markup::list("caution", &study.cautions));
    for chapter in &study.chapters {
        html.push_str(&markup::chart(&chart(study, chapter)));
        html.push_str(&markup::list("words", &chapter.words));
    }
    html.push_str("</section>");
    html
}

/// The chart of a chapter: a row an experiment, a mark an arm.
pub(super) fn chart(study: &Study, chapter: &Chapter) -> Chart {
    let mut table = Table::new(chapter.head.iter().cloned());
    table.rows = chapter.arms.iter().map(|a| a.cells.clone()).collect();
    let mut series: Vec<&str> = Vec::new();
    let (mut names, mut items, mut reach, mut most) = (Vec::new(), Vec::new(), vec![1.0], 1);
    let experiments = || chapter.arms.chunk_by(|a, b| a.experiment == b.experiment);
    for arms in experiments().take(MOST) {
        let drawn: Vec<_> = arms.iter().filter_map(|a| Some((a, a.ratio?))).take(ARMS).collect();
        for (i, (arm, [ratio, low, high])) in drawn.iter().enumerate() {
            let place = series.iter().position(|s| *s == arm.arm).unwrap_or(series.len());
            if place == series.len() {
                series.push(&arm.arm);
            }
            let colour = u8::try_from(place % usize::from(SERIES)).unwrap_or(0);
            let y = names.len() as f64 + (i as f64 + 1.0) / (drawn.len() as f64 + 1.0);
            items.push(Item::Line(Class::Whisker(colour), [(*low, y), (*high, y)]));
            items.push(Item::Mark(Class::Mark(colour), *ratio, y));
            reach.extend([*low, *high]);
        }
        if let Some(first) = arms.first().filter(|_| !drawn.is_empty()) {
            names.push(first.experiment.as_str());
            most = most.max(drawn.len());
        }
    }
    if names.is_empty() {
        let says = "No arm was measured together with what it is compared with.".into();
        return Chart::numbers("chapter", &chapter.title, says, table);
    }
    items.insert(0, Item::Line(Class::Rule, [(1.0, 0.0), (1.0, names.len() as f64)]));
    let plot = Plot {
        height: height(names.len(), 12 + 9 * u32::try_from(most).unwrap_or(1)),
        x: Axis::log(reach, &tick),
        y: Axis::names(&names),
        under: format!("time, × {}", study.reference),
        items,
    };
    let mut says = format!(
        "Each arm's time divided by that of {} in the same block: the median over the blocks, and the 95 % interval. Left of the line at 1 is better.",
        study.reference
    );
    if experiments().count() > MOST {
        says.push_str(&format!(" The first {MOST} experiments are drawn; the table has all."));
    }
    let legend = (0..SERIES).cycle().zip(series.iter().map(|s| (*s).to_string()));
    Chart::drawn("chapter", &chapter.title, says, &plot, table).with_legend(legend.collect())
}
