//! Formatting of energy: always with its evidence class, and a model's figure always with its band.

use crate::View;
use ungil_experiment::energy::{About, Evidence};
use ungil_experiment::stats::median;
use ungil_format::energy;

/// Returns the sensor of an experiment's energy column.
pub(crate) fn sensor<'a>(view: View<'a>) -> Option<&'a About> {
    view.record
        .header
        .sensors
        .iter()
        .find(|s| s.sensor != "nvml")
        .or_else(|| view.record.header.sensors.first())
}

/// Returns a short name of an evidence class.
pub(crate) fn class(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Meter => "metered",
        Evidence::Counter => "counter",
        Evidence::Model => "model",
        Evidence::None => "no sensor",
    }
}

/// Formats an arm's median energy, with the band of a model or the part above idle if that was
/// measured.
pub(crate) fn of_arm(view: View<'_>, arm: &str) -> Option<String> {
    let median = |key: &str| Some(view.comparison.arm(arm)?.metrics.get(key)?.median);
    let shown = energy(median("energy_j")?);
    Some(match (band(view, arm), median("energy_above_idle_j")) {
        (Some((low, high)), _) => format!("{shown} ({}–{})", energy(low), energy(high)),
        (None, Some(above)) => format!("{shown}, {} above idle", energy(above)),
        (None, None) => shown,
    })
}

/// Returns the median ends of a model's band over an arm's runs, in joules.
pub(crate) fn band(view: View<'_>, arm: &str) -> Option<(f64, f64)> {
    let runs = view.record.runs.iter().filter(|r| r.arm == arm && r.block > 0);
    let bands: Vec<(u64, u64)> = runs
        .flat_map(|r| &r.energy)
        .filter_map(|j| j.reading.as_ref().and_then(|r| r.band))
        .collect();
    let end = |pick: fn(&(u64, u64)) -> u64| {
        median(&bands.iter().map(|b| pick(b) as f64 / 1e6).collect::<Vec<_>>())
    };
    end(|b| b.0).zip(end(|b| b.1))
}
