//! A study made of several records: sentences, and one chart per chapter with each arm against its
//! reference. All text and figures are passed in; nothing is computed here.

use super::chart::{Chart, Series, Table};
use super::ratios::{ForestRow, drawn_of, forest};

/// A study, ready to be shown.
#[derive(Debug, Clone, Default)]
pub struct Study {
    /// What every arm is compared with: `3.14, as many workers`.
    pub reference: String,
    /// Sentences.
    pub findings: Vec<String>,
    /// Key figures: headings, and a row per chapter and arm.
    pub figures: (Vec<String>, Vec<Vec<String>>),
    /// What failed, was left out, or puts figures in doubt.
    pub cautions: Vec<String>,
    pub chapters: Vec<Chapter>,
}

/// A chapter of a study.
#[derive(Debug, Clone, Default)]
pub struct Chapter {
    pub title: String,
    /// Sentences about all its experiments.
    pub sentences: Vec<String>,
    /// Headings of its table.
    pub head: Vec<String>,
    /// Its arms, grouped by experiment.
    pub arms: Vec<ChapterArm>,
}

/// An arm of an experiment, compared with its reference.
#[derive(Debug, Clone, Default)]
pub struct ChapterArm {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the arm.
    pub arm: String,
    /// The arm's Python with its GIL setting, which determines the colour.
    pub python: String,
    /// Ratio of time with the reference: median and interval.
    pub ratio: Option<[f64; 3]>,
    /// Row of the table.
    pub cells: Vec<String>,
}

impl Study {
    /// Returns the number of experiments.
    fn experiments(&self) -> usize {
        let of = |c: &Chapter| c.arms.chunk_by(|a, b| a.experiment == b.experiment).count();
        self.chapters.iter().map(of).sum()
    }

    /// Returns the key figures as a table.
    pub(super) fn key_figures(&self) -> Table {
        Table { head: self.figures.0.clone(), rows: self.figures.1.clone() }
    }

    /// Returns the name for the page's title.
    pub(super) fn name(&self) -> String {
        match self.experiments() {
            1 => "Study of 1 experiment".into(),
            n => format!("Study of {n} experiments"),
        }
    }
}

/// Returns the chart of a chapter: one row per arm.
pub(super) fn chart(study: &Study, chapter: &Chapter, series: &Series) -> Chart {
    let mut table = Table::new(chapter.head.iter().cloned());
    table.rows = chapter.arms.iter().map(|a| a.cells.clone()).collect();
    let row = |arm: &ChapterArm| {
        let [ratio, low, high] = arm.ratio?;
        let name = format!("{} {}", arm.experiment, arm.arm);
        Some(ForestRow { name, series: series.named(&arm.python), ratio, low, high })
    };
    let rows: Vec<ForestRow> = chapter.arms.iter().filter_map(row).collect();
    let description = format!(
        "Each arm's time divided by that of {} in the same block: median over the blocks and 95 % interval. Left of the line at 1 is better.{}",
        study.reference,
        drawn_of(rows.len())
    );
    match forest(rows, format!("time, × {}", study.reference)) {
        Some(plot) => Chart::drawn("chapter", &chapter.title, description, &plot, table)
            .with_legend(series.legend(chapter.arms.iter().map(|a| a.python.as_str()))),
        None => {
            let description = "No arm was measured together with its reference.".into();
            Chart::without_drawing("chapter", &chapter.title, description, table)
        }
    }
}
