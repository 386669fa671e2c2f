//! What `--json` prints: the comparison, with the words and hazards that a terminal would show.

use crate::{View, hazards, words};
use serde::Serialize;
use ungil_experiment::comparison::Comparison;
use ungil_experiment::record::{Header, Startup};

/// The object `--json` prints.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    /// Schema of the record it was made from.
    pub schema: &'a str,
    /// The record's file.
    pub record: String,
    /// What was measured, how, and on what.
    pub experiment: &'a Header,
    /// How long each interpreter takes to start and do nothing.
    pub startups: &'a [Startup],
    /// The figures.
    pub comparison: &'a Comparison,
    /// The sentences.
    pub words: Vec<String>,
    /// The hazards.
    pub hazards: Vec<String>,
}

/// The object for a view; `path` is the record's file.
pub fn json<'a>(view: View<'a>, path: &str) -> Json<'a> {
    Json {
        schema: &view.record.header.schema,
        record: path.into(),
        experiment: &view.record.header,
        startups: &view.record.startups,
        comparison: view.comparison,
        words: words(view),
        hazards: hazards::lines(view),
    }
}
