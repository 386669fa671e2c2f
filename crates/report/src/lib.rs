//! From a record to what a person or a program reads: a table, sentences, CSV, JSON.
//!
//! This room reads records and knows nothing of how they came to be: it uses `experiment`'s record,
//! comparison and metric types and nothing that runs. Every sentence rests on figures of the
//! record, so that words and record cannot disagree.

mod csv;
mod hazards;
mod joules;
mod json;
mod page;
mod runs;
mod source;
mod table;
mod words;

pub use csv::csv;
pub use json::{Json, json};
pub use page::{Beside, Chapter, Page, Picture, Study, html, markdown, pictures};
pub use runs::runs;
pub use source::{Found, Source, gather, tell_apart};
pub use table::table;
pub use words::words;

use ungil_experiment::compare::compare;
use ungil_experiment::comparison::Comparison;
use ungil_experiment::record::Record;
use ungil_experiment::workload::Workload;

/// A record and its comparison, from which everything here is made.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The record.
    pub record: &'a Record,
    /// What its runs say.
    pub comparison: &'a Comparison,
}

/// The comparison of a record: the one written in it, or made from its runs where it was cut off
/// before or where the one written does not know failed requests.
pub fn comparison(record: &Record) -> Comparison {
    let written = record.comparison.as_ref();
    // An ungil that did not yet ask whether a service's requests succeeded may have written a
    // verdict on failures.
    let serves = matches!(record.header.workload, Workload::Serve { .. });
    let trusted = written.filter(|c| !serves || c.arms.iter().any(|a| a.requests.is_some()));
    trusted.cloned().unwrap_or_else(|| compare(record))
}

/// Everything for a terminal: table, hazards, words.
pub fn terminal(view: View<'_>) -> String {
    let mut text = table(view);
    text.push('\n');
    for line in hazards::lines(view) {
        text.push_str(&format!("! {line}\n"));
    }
    for sentence in words(view) {
        text.push_str(&format!("- {sentence}\n"));
    }
    text
}
