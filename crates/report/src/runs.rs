//! Every run as CSV: a row a run, a column a metric.

use crate::Source;
use crate::csv::field;
use std::collections::BTreeSet;
use ungil_experiment::metric;
use ungil_experiment::record::{Outcome, Run};

/// The runs of all records with a header. A metric that a run has not is an empty field; why not is
/// in the record.
pub fn runs(sources: &[Source]) -> String {
    let all = || sources.iter().flat_map(|s| s.record.runs.iter().map(move |r| (s, r)));
    let keys: BTreeSet<(usize, &str)> =
        all().flat_map(|(_, r)| r.metrics.keys()).map(|k| (metric::rank(k), k.as_str())).collect();
    let mut text = String::from("record,arm,block,order,at_s,outcome");
    for (_, key) in &keys {
        text.push(',');
        text.push_str(&field(key));
    }
    text.push_str(",hazards\n");
    for (source, run) in all() {
        let head =
            [field(&source.label), field(&run.arm), run.block.to_string(), run.order.to_string()];
        text.push_str(&head.join(","));
        text.push_str(&format!(",{},{}", run.at_s, outcome(run)));
        for (_, key) in &keys {
            text.push(',');
            if let Some(value) = run.metrics.get(*key) {
                text.push_str(&value.to_string());
            }
        }
        let hazards: Vec<&str> = run.hazards.iter().map(|h| h.says.as_str()).collect();
        text.push_str(&format!(",{}\n", field(&hazards.join("; "))));
    }
    text
}

/// The record's own word for how a run ended.
fn outcome(run: &Run) -> &'static str {
    match run.outcome {
        Outcome::Ok => "ok",
        Outcome::Exited { .. } => "exited",
        Outcome::Signaled { .. } => "signaled",
        Outcome::TimedOut => "timed_out",
        Outcome::Invalid { .. } => "invalid",
    }
}
