//! The metrics of a run: keys, names, units and directions. A record holds plain numbers under
//! these keys; code that displays one looks it up here.

/// The unit of a metric, which decides how it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Joules.
    Joules,
    /// A number without a unit: a count, cores, a ratio.
    Number,
    /// Events per second.
    PerSecond,
    /// A fraction of 1, printed in percent.
    Share,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The key in a record; it ends with the unit, if there is one.
    pub key: &'static str,
    /// The name in tables.
    pub title: &'static str,
    /// A short name that users may give instead of the key.
    pub alias: &'static str,
    /// The unit.
    pub unit: Unit,
    /// The direction in which the metric is better.
    pub better: Better,
    /// Smallest relative difference that counts: within it, two arms are "the same".
    pub margin: f64,
}

/// The direction in which a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Less,
    /// More is better.
    More,
    /// Neither: the metric is descriptive.
    Neither,
}

const fn metric(
    key: &'static str,
    title: &'static str,
    alias: &'static str,
    unit: Unit,
    better: Better,
    margin: f64,
) -> Metric {
    Metric { key, title, alias, unit, better, margin }
}

use Better::{Less, More, Neither};
use Unit::{Bytes, Joules, Number, PerSecond, Seconds, Share};

/// Every built-in metric, in display order.
pub const METRICS: &[Metric] = &[
    metric("wall_s", "time", "time", Seconds, Less, 0.01),
    metric("throughput_per_s", "throughput", "throughput", PerSecond, More, 0.01),
    metric("latency_p50_s", "p50", "p50", Seconds, Less, 0.01),
    metric("latency_p90_s", "p90", "p90", Seconds, Less, 0.01),
    metric("latency_p99_s", "p99", "p99", Seconds, Less, 0.01),
    metric("latency_mean_s", "mean latency", "latency", Seconds, Less, 0.01),
    metric("cpu_s", "CPU", "cpu", Seconds, Less, 0.01),
    metric("user_s", "user", "user", Seconds, Less, 0.01),
    metric("system_s", "system", "system", Seconds, Less, 0.01),
    metric("busy_cores", "cores", "cores", Number, Neither, 0.01),
    metric("core_disparity", "disparity", "disparity", Number, Neither, 0.01),
    metric("rss_peak_bytes", "RSS", "rss", Bytes, Less, 0.02),
    metric("pss_peak_bytes", "PSS", "pss", Bytes, Less, 0.02),
    metric("uss_peak_bytes", "USS", "uss", Bytes, Less, 0.02),
    metric("vms_peak_bytes", "VMS", "vms", Bytes, Less, 0.02),
    metric("swap_peak_bytes", "swap", "swap", Bytes, Less, 0.02),
    metric("rss_end_bytes", "RSS at end", "rss_end", Bytes, Less, 0.02),
    metric("pss_end_bytes", "PSS at end", "pss_end", Bytes, Less, 0.02),
    metric("uss_end_bytes", "USS at end", "uss_end", Bytes, Less, 0.02),
    metric("vms_end_bytes", "VMS at end", "vms_end", Bytes, Less, 0.02),
    metric("swap_end_bytes", "swap at end", "swap_end", Bytes, Less, 0.02),
    metric("cgroup_peak_bytes", "cgroup peak", "cgroup", Bytes, Less, 0.02),
    metric("processes_peak", "processes", "processes", Number, Neither, 0.0),
    metric("threads_peak", "threads", "threads", Number, Neither, 0.0),
    metric("minor_faults", "page faults", "faults", Number, Less, 0.05),
    metric("major_faults", "major faults", "major_faults", Number, Less, 0.05),
    metric("voluntary_switches", "voluntary switches", "switches", Number, Less, 0.05),
    metric("involuntary_switches", "involuntary switches", "preemptions", Number, Less, 0.05),
    metric("lock_wait_s", "lock wait", "lock_wait", Seconds, Less, 0.05),
    metric("gil_wait_s", "GIL wait", "gil_wait", Seconds, Less, 0.05),
    metric("gc_s", "GC", "gc", Seconds, Less, 0.05),
    metric("stop_world_s", "stop-the-world", "stop_world", Seconds, Less, 0.05),
    metric("energy_j", "energy", "energy", Joules, Less, 0.02),
    metric("energy_above_idle_j", "energy above idle", "energy_above_idle", Joules, Less, 0.02),
    metric("gpu_energy_j", "GPU energy", "gpu_energy", Joules, Less, 0.02),
    metric("serialise_s", "serialising", "serialise", Seconds, Less, 0.02),
    metric("serialise_bytes", "serialised", "serialised", Bytes, Less, 0.02),
    metric("startup_s", "start-up", "startup", Seconds, Less, 0.02),
    metric("pieces", "pieces of work", "pieces", Number, Neither, 0.0),
    metric("process_s", "whole process", "process", Seconds, Less, 0.01),
    metric("requests", "requests", "requests", Number, Neither, 0.01),
    metric("failed_requests", "failed requests", "failed_requests", Number, Less, 0.0),
    metric("failed_share", "failed", "failed", Share, Less, 0.0),
];

/// Returns the metric with this key or alias.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.key == name || m.alias == name)
}

/// Returns the position of a key in display order; a user's own metrics come last.
pub fn rank(key: &str) -> usize {
    METRICS.iter().position(|m| m.key == key).unwrap_or(METRICS.len())
}

/// Formats a metric's value with its unit.
pub fn show(value: f64, unit: Unit) -> String {
    match unit {
        Seconds => ungil_format::duration(value),
        Joules => ungil_format::energy(value),
        Bytes => ungil_format::bytes(value.round() as u64),
        PerSecond => ungil_format::rate(value),
        Number => ungil_format::number(value),
        Share => ungil_format::percent(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_aliases_are_distinct() {
        let names: Vec<&str> = METRICS.iter().flat_map(|m| [m.key, m.alias]).collect();
        let mut once: Vec<&str> =
            METRICS.iter().map(|m| m.key).chain(METRICS.iter().map(|m| m.alias)).collect();
        once.sort_unstable();
        once.dedup();
        let same = METRICS.iter().filter(|m| m.key == m.alias).count();
        assert_eq!(once.len() + same, names.len());
    }
}
