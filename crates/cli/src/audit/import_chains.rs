//! How the modules that switch the GIL on come to be imported, in words.

use super::Report;
use crate::clean::clean;
use ungil_audit::import_graph::{ImportChain, ImportTiming};
use ungil_format::counted;

/// Ways that are told; JSON has all.
const MAX_LINES: usize = 20;

/// A line for each way.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let told = report.audit.chains.iter().filter(|chain| !chain.steps.is_empty());
    let mut lines: Vec<String> = told.map(line).collect();
    let more = lines.len().saturating_sub(MAX_LINES);
    if more > 0 {
        lines.truncate(MAX_LINES);
        lines.push(format!("{} more; --json has them", counted(more, "way")));
    }
    lines
}

/// `app:3 > pandas.io:12 > lxml.etree`: module and line of each import, then what the last one
/// imports.
fn line(chain: &ImportChain) -> String {
    let steps: Vec<String> =
        chain.steps.iter().map(|step| format!("{}:{}", clean(&step.module), step.line)).collect();
    let when = match chain.when {
        ImportTiming::Always => "",
        ImportTiming::Guarded => " (in a try: if that comes to it)",
        ImportTiming::Later => " (in a function: when that runs)",
    };
    format!("{} > {}{when}", steps.join(" > "), clean(&chain.target))
}
