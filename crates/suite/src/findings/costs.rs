//! Findings on power and memory.

use super::{free_threaded, has_enough_blocks, is_measured, rows, time};
use crate::summary::{Row, Summary};
use ungil_experiment::stats::median;
use ungil_format::{counted, percent, ratio};

pub(super) fn power(summary: &Summary) -> Option<String> {
    if !is_measured(summary) {
        let says = "Energy against time: not measured (no sensor).";
        return rows(summary).next().map(|_| says.into());
    }
    let rows: Vec<&Row> = rows(summary)
        .filter(|r| has_enough_blocks(r) && r.metrics.contains_key("energy_j"))
        .collect();
    let powers: Vec<f64> = rows
        .iter()
        .filter_map(|r| Some(r.metrics.get("energy_j")?.ratio?.ratio / time(r)?.ratio?.ratio))
        .collect();
    let low = powers.iter().copied().reduce(f64::min)?;
    let high = powers.iter().copied().reduce(f64::max)?;
    let idle: Vec<f64> = rows
        .iter()
        .filter_map(|r| {
            Some(r.metrics.get("energy_idle_j")?.value / r.metrics.get("energy_j")?.value)
        })
        .collect();
    let idle = median(&idle).map_or_else(
        || "Idle power was not measured.".into(),
        |share| format!("The idle machine accounts for {} of the energy.", percent(share)),
    );
    let paper = if low > 0.8 && high < 1.25 {
        "As in the paper, power hardly changes."
    } else {
        "In the paper, power hardly changes."
    };
    Some(format!(
        "Power: {}x to {}x without the GIL ({}). {paper} {idle}",
        ratio(low),
        ratio(high),
        counted(powers.len(), "measurement")
    ))
}

pub(super) fn memory(summary: &Summary) -> Option<String> {
    let free = free_threaded(summary);
    let rows: Vec<&Row> =
        rows(summary).filter(|r| has_enough_blocks(r) && Some(r.label.as_str()) == free).collect();
    let median_ratio = |key: &str| {
        let ratios = rows.iter().filter_map(|r| Some(r.metrics.get(key)?.ratio?.ratio));
        median(&ratios.collect::<Vec<f64>>())
    };
    let (vms, pss) = (median_ratio("vms_peak_bytes")?, median_ratio("pss_peak_bytes")?);
    let paper = if vms > pss {
        "As in the paper, address space grows more."
    } else {
        "In the paper, address space grows more."
    };
    Some(format!(
        "Memory: {}x address space (VMS) and {}x resident memory (PSS) without the GIL (median of {}). {paper}",
        ratio(vms),
        ratio(pss),
        counted(rows.len(), "measurement")
    ))
}
