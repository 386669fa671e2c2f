//! The output of `--json`: the comparison at full precision, with the sentences and hazards that a
//! terminal shows.

use crate::{View, hazards, sentences};
use serde::Serialize;
use ungil_experiment::comparison::Comparison;
use ungil_experiment::record::{Header, Startup};

/// The object `--json` prints.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    /// Schema of the record.
    pub schema: &'a str,
    /// The record's file.
    pub record: String,
    /// What was measured, how, and on which machine.
    pub experiment: &'a Header,
    /// Start-up time of each bare interpreter.
    pub startups: &'a [Startup],
    pub comparison: &'a Comparison,
    /// The sentences that a terminal shows.
    pub words: Vec<String>,
    pub hazards: Vec<String>,
}

/// Returns the object for a view; `path` is the record's file.
pub fn json<'a>(view: View<'a>, path: &str) -> Json<'a> {
    Json {
        schema: &view.record.header.schema,
        record: path.into(),
        experiment: &view.record.header,
        startups: &view.record.startups,
        comparison: view.comparison,
        words: sentences(view),
        hazards: hazards::lines(view),
    }
}
