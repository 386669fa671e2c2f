//! Findings on workloads that exist in several forms: what sharing an object costs, and what the
//! fixed form gains.

use super::{free_threaded, has_enough_blocks, rows, time};
use crate::summary::{Row, Summary};
use crate::workloads::Form;
use ungil_format::{duration, ratio};

/// The median times of a workload in two forms, in seconds.
struct FormPair<'a> {
    workload: &'a str,
    value: f64,
    other: f64,
}

impl FormPair<'_> {
    fn factor(&self) -> f64 {
        self.value / self.other
    }
}

/// Returns the findings. They compare medians of two records, whose blocks are not paired.
pub(super) fn findings(summary: &Summary) -> Vec<String> {
    let Some(free) = free_threaded(summary) else { return Vec::new() };
    let workers = rows(summary).filter_map(|r| r.workers).max().unwrap_or(1);
    if workers == 1 {
        return Vec::new();
    }
    let of_forms = |forms: &[Form]| -> Vec<&Row> {
        rows(summary)
            .filter(|r| r.label == free && r.workers == Some(workers) && has_enough_blocks(r))
            .filter(|r| forms.contains(&r.form))
            .collect()
    };
    let basis = |pair: &FormPair<'_>| {
        format!(
            "{} and {}; {workers} workers on {free}, medians of two records",
            duration(pair.value),
            duration(pair.other)
        )
    };
    let shared = largest_factor(&of_forms(&[Form::Shared]), &of_forms(&[Form::Private]));
    let shared = shared.map(|pair| {
        let (workload, basis) = (pair.workload, basis(&pair));
        match pair.factor() {
            factor if factor > 1.0 => format!(
                "Sharing: {workload} is {}x slower than with private objects ({basis}).",
                ratio(factor)
            ),
            _ => format!(
                "Sharing: no workload is slower than with private objects, not even {workload} ({basis})."
            ),
        }
    });
    let fixed = largest_factor(&of_forms(&[Form::Plain, Form::Shared]), &of_forms(&[Form::Fixed]));
    let fixed = fixed.map(|pair| {
        let (workload, basis) = (pair.workload, basis(&pair));
        match pair.factor() {
            factor if factor > 1.0 => format!(
                "Fixed forms: {workload} is {}x faster with ungil's structures ({basis}).",
                ratio(factor)
            ),
            _ => format!(
                "Fixed forms: no workload is faster with ungil's structures, not even {workload} ({basis})."
            ),
        }
    });
    shared.into_iter().chain(fixed).collect()
}

/// Returns the workload whose time in `rows` is the largest multiple of its time in `others`.
fn largest_factor<'a>(rows: &[&'a Row], others: &[&Row]) -> Option<FormPair<'a>> {
    let pairs = rows.iter().filter_map(|row| {
        let other = others.iter().find(|o| o.workload == row.workload && o.size == row.size)?;
        Some(FormPair {
            workload: &row.workload,
            value: time(row)?.value,
            other: time(other)?.value,
        })
    });
    pairs.max_by(|a, b| a.factor().total_cmp(&b.factor()))
}
