//! Renders records for readers: a table, sentences, CSV, JSON, Markdown, HTML pages and charts.
//!
//! Everything is derived from records: the crate uses `experiment`'s record, comparison and metric
//! types, and nothing that runs. Every sentence states figures of the record.

mod csv;
mod hazards;
mod joules;
mod json;
mod page;
mod runs;
mod sentences;
mod source;
mod table;

pub use csv::csv;
pub use json::{Json, json};
pub use page::{Chapter, ChapterArm, Page, Picture, Study, html, markdown, pictures};
pub use runs::runs;
pub use sentences::{collapses, sentences};
pub use source::{RecordSet, Source, disambiguate, read_records};
pub use table::table;

use ungil_experiment::compare::compare;
use ungil_experiment::comparison::Comparison;
use ungil_experiment::record::Record;
use ungil_experiment::workload::Workload;

/// A record and its comparison: the input of every renderer here.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub record: &'a Record,
    pub comparison: &'a Comparison,
}

/// Returns the comparison of a record: the one written in it, or one made from its runs if the
/// record was cut off before its comparison or an early version of ungil wrote it.
pub fn comparison(record: &Record) -> Comparison {
    let written = record.comparison.as_ref();
    // Early versions did not check whether a service's requests succeeded, so their verdicts may
    // rest on failed requests.
    let serves = matches!(record.header.workload, Workload::Serve { .. });
    let trusted = written.filter(|c| !serves || c.arms.iter().any(|a| a.requests.is_some()));
    trusted.cloned().unwrap_or_else(|| compare(record))
}

/// Renders everything for a terminal of `width` columns (`None`: unlimited): the table, failed arms
/// and hazards, sentences.
pub fn terminal(view: View<'_>, width: Option<usize>) -> String {
    let fitted = table(view, width);
    let mut text = fitted.text.clone();
    text.push_str(&format!("{}\n", table::caption(view)));
    text.push_str(&fitted.note("--wide, --csv or --json"));
    text.push('\n');
    for line in page::doubts(view) {
        text.push_str(&format!("! {line}\n"));
    }
    for sentence in sentences(view) {
        text.push_str(&format!("- {sentence}\n"));
    }
    text
}
