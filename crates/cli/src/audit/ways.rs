//! How the modules that switch the GIL on come to be imported, in words.

use super::Report;
use crate::sanitize::sanitize;
use ungil_audit::imports::{Chain, When};
use ungil_format::counted;

/// Ways that are told; JSON has all.
const MOST: usize = 20;

/// A line for each way.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let told = report.audit.chains.iter().filter(|chain| !chain.steps.is_empty());
    let mut lines: Vec<String> = told.map(line).collect();
    let more = lines.len().saturating_sub(MOST);
    if more > 0 {
        lines.truncate(MOST);
        lines.push(format!("{} more; --json has them", counted(more, "way")));
    }
    lines
}

/// `app:3 > pandas.io:12 > lxml.etree`: module and line of each import, then what the last one
/// imports.
fn line(chain: &Chain) -> String {
    let steps: Vec<String> = chain
        .steps
        .iter()
        .map(|step| format!("{}:{}", sanitize(&step.module), step.line))
        .collect();
    let when = match chain.when {
        When::Always => "",
        When::Guarded => " (in a try: if that comes to it)",
        When::Later => " (in a function: when that runs)",
    };
    format!("{} > {}{when}", steps.join(" > "), sanitize(&chain.target))
}
