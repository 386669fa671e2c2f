//! Renders import chains to modules that enable the GIL.

use super::AuditReport;
use crate::sanitize::sanitize;
use ungil_audit::import_graph::{ImportChain, ImportTiming};
use ungil_format::counted;

/// Maximum number of chains that are printed; JSON has all.
const MAX_CHAINS: usize = 20;

/// Returns one line for each chain.
pub(super) fn lines(report: &AuditReport) -> Vec<String> {
    let chains = report.audit.chains.iter().filter(|chain| !chain.steps.is_empty());
    let mut lines: Vec<String> = chains.map(line).collect();
    let more = lines.len().saturating_sub(MAX_CHAINS);
    if more > 0 {
        lines.truncate(MAX_CHAINS);
        lines.push(format!("{} in --json", counted(more, "more chain")));
    }
    lines
}

/// Renders a chain as `app:3 > pandas.io:12 > lxml.etree`: module and line of each import, then the
/// target.
fn line(chain: &ImportChain) -> String {
    let steps: Vec<String> = chain
        .steps
        .iter()
        .map(|step| format!("{}:{}", sanitize(&step.module), step.line))
        .collect();
    let when = match chain.when {
        ImportTiming::Always => "",
        ImportTiming::Guarded => " (in a try block: may be skipped)",
        ImportTiming::Later => " (in a function: only when it is called)",
    };
    format!("{} > {}{when}", steps.join(" > "), sanitize(&chain.target))
}
