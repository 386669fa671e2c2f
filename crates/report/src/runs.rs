//! All runs as CSV: one row per run, one column per metric.

use crate::Source;
use crate::csv::field;
use std::collections::BTreeSet;
use ungil_experiment::metric;
use ungil_experiment::record::{Outcome, Run};

/// Renders the runs of all records as CSV with a header. A missing metric is an empty field; the
/// reason is in the record.
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

/// Returns the name of an outcome, as in the record.
fn outcome(run: &Run) -> &'static str {
    match run.outcome {
        Outcome::Ok => "ok",
        Outcome::Exited { .. } => "exited",
        Outcome::Signaled { .. } => "signaled",
        Outcome::TimedOut => "timed_out",
        Outcome::Invalid { .. } => "invalid",
    }
}
