//! Many records that make up one study: chapter by chapter what they say, every arm in one chart
//! beside what it is compared with. Who made the study hands its words and figures in; nothing here
//! computes one.

use super::chart::{Chart, Series, Table};
use super::ratios::{Ratios, drawn_of, forest};

/// A study, ready to be shown.
#[derive(Debug, Clone, Default)]
pub struct Study {
    /// What every arm is compared with, in a few words: `3.14, as many workers`.
    pub reference: String,
    /// What follows from it, in sentences.
    pub findings: Vec<String>,
    /// Its three figures: headings, and a row for each part and arm.
    pub figures: (Vec<String>, Vec<Vec<String>>),
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
    /// The arm's Python with its GIL setting, which has a colour.
    pub python: String,
    /// Its time over its reference's: the ratio and its interval's ends.
    pub ratio: Option<[f64; 3]>,
    /// Its row of the table.
    pub cells: Vec<String>,
}

impl Study {
    /// How many experiments it has.
    fn experiments(&self) -> usize {
        let of = |c: &Chapter| c.arms.chunk_by(|a, b| a.experiment == b.experiment).count();
        self.chapters.iter().map(of).sum()
    }

    /// The three figures as a table.
    pub(super) fn three(&self) -> Table {
        Table { head: self.figures.0.clone(), rows: self.figures.1.clone() }
    }

    /// What it is, in a few words.
    pub(super) fn name(&self) -> String {
        match self.experiments() {
            1 => "Study of 1 experiment".into(),
            n => format!("Study of {n} experiments"),
        }
    }
}

/// The chart of a chapter: a row an arm.
pub(super) fn chart(study: &Study, chapter: &Chapter, series: &Series) -> Chart {
    let mut table = Table::new(chapter.head.iter().cloned());
    table.rows = chapter.arms.iter().map(|a| a.cells.clone()).collect();
    let row = |arm: &Beside| {
        let [ratio, low, high] = arm.ratio?;
        let name = format!("{} {}", arm.experiment, arm.arm);
        Some(Ratios { name, series: series.named(&arm.python), ratio, low, high })
    };
    let rows: Vec<Ratios> = chapter.arms.iter().filter_map(row).collect();
    let says = format!(
        "Each arm's time divided by that of {} in the same block: the median over the blocks, and the 95 % interval. Left of the line at 1 is better.{}",
        study.reference,
        drawn_of(rows.len())
    );
    match forest(rows, format!("time, × {}", study.reference)) {
        Some(plot) => Chart::drawn("chapter", &chapter.title, says, &plot, table)
            .with_legend(series.legend(chapter.arms.iter().map(|a| a.python.as_str()))),
        None => {
            let says = "No arm was measured together with what it is compared with.".into();
            Chart::numbers("chapter", &chapter.title, says, table)
        }
    }
}
