//! Describes the machine, and what else it did during a measurement.
//!
//! Readers must know whether a figure comes from a shared, throttled or swapping machine. A
//! [`Snapshot`] is taken before and after; the difference shows how busy each core was, how much
//! time the hypervisor stole, and whether anything was swapped or throttled.

use crate::linux::cgroup;
use procfs::{Current, CurrentSI};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

/// Description of the machine, for the record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Processor model.
    pub cpu: String,
    /// Logical processors that this process may use.
    pub cpus: usize,
    /// Online logical processors.
    pub cpus_online: usize,
    /// Physical memory in bytes.
    pub memory_bytes: u64,
    /// Swap in bytes.
    pub swap_bytes: u64,
    /// Operating system and kernel release.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// Whether the hypervisor flag is set: time may be stolen, counters may be missing.
    pub virtual_machine: bool,
    /// Settings that affect timings, by name: governor, turbo, SMT, ASLR, transparent huge pages.
    /// Absent if the machine does not report them.
    pub settings: BTreeMap<String, String>,
}

fn setting(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|s| s.trim().to_string()).filter(|s| !s.is_empty())
}

impl Machine {
    /// Describes this machine; fields that cannot be read are empty.
    pub fn here() -> Machine {
        let cpuinfo = procfs::CpuInfo::current().ok();
        let field = |key: &str| {
            cpuinfo
                .as_ref()
                .and_then(|c| c.get_info(0))
                .and_then(|i| i.get(key).map(|s| (*s).to_string()))
        };
        let memory = procfs::Meminfo::current().ok();
        let sources = [
            ("governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            ("no_turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo"),
            ("boost", "/sys/devices/system/cpu/cpufreq/boost"),
            ("smt", "/sys/devices/system/cpu/smt/active"),
            ("aslr", "/proc/sys/kernel/randomize_va_space"),
            ("transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled"),
        ];
        let settings =
            sources.into_iter().filter_map(|(k, p)| Some((k.to_string(), setting(p)?))).collect();
        Machine {
            cpu: field("model name").or_else(|| field("CPU part")).unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            cpus_online: cpuinfo.as_ref().map_or(0, procfs::CpuInfo::num_cores),
            memory_bytes: memory.as_ref().map_or(0, |m| m.mem_total),
            swap_bytes: memory.as_ref().map_or(0, |m| m.swap_total),
            kernel: format!("Linux {}", setting("/proc/sys/kernel/osrelease").unwrap_or_default()),
            architecture: std::env::consts::ARCH.to_string(),
            virtual_machine: field("flags")
                .is_some_and(|f| f.split(' ').any(|w| w == "hypervisor")),
            settings,
        }
    }
}

/// The machine's counters at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    at: Instant,
    /// Busy and stolen seconds of each core.
    cores: Vec<(f64, f64)>,
    swapped_pages: u64,
    throttled: u64,
    quota_throttled: u64,
}

/// Activity of the whole machine between two snapshots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Around {
    /// Share of the window that each core was busy (0 to 1), by any process.
    pub per_core: Vec<f64>,
    /// Scaled Gini coefficient of `per_core`: 0 if all are equal, 1 if one core does everything.
    pub disparity: f64,
    /// Total CPU use of all processes, in cores.
    pub busy_cores: f64,
    /// Share of CPU time stolen by the hypervisor.
    pub steal: f64,
    /// Pages swapped in and out.
    pub swapped_pages: u64,
    /// Number of thermal throttling events.
    pub throttled: u64,
    /// Number of times a CPU quota throttled this process's cgroup.
    pub quota_throttled: u64,
}

impl Snapshot {
    /// Reads the counters.
    pub fn take() -> Snapshot {
        let vm = procfs::vmstat().unwrap_or_default();
        let count = |key: &str| vm.get(key).and_then(|&n| u64::try_from(n).ok()).unwrap_or(0);
        Snapshot {
            at: Instant::now(),
            cores: cores(),
            swapped_pages: count("pswpin") + count("pswpout"),
            throttled: thermal_throttles(),
            quota_throttled: cgroup::own()
                .and_then(|p| cgroup::cpu_stat(p).ok())
                .map_or(0, |c| c.throttled),
        }
    }

    /// Returns the activity from `earlier` to this snapshot.
    pub fn since(&self, earlier: &Snapshot) -> Around {
        let window = self.at.duration_since(earlier.at).as_secs_f64().max(1e-9);
        let pairs = || self.cores.iter().zip(&earlier.cores);
        let per_core: Vec<f64> =
            pairs().map(|(now, then)| ((now.0 - then.0) / window).clamp(0.0, 1.0)).collect();
        let stolen: f64 = pairs().map(|(now, then)| (now.1 - then.1).max(0.0)).sum();
        Around {
            disparity: disparity(&per_core),
            busy_cores: per_core.iter().sum(),
            steal: (stolen / (window * per_core.len().max(1) as f64)).min(1.0),
            swapped_pages: self.swapped_pages.saturating_sub(earlier.swapped_pages),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            quota_throttled: self.quota_throttled.saturating_sub(earlier.quota_throttled),
            per_core,
        }
    }
}

/// Returns the busy and stolen seconds of each core since boot; empty if the system does not report
/// them.
fn cores() -> Vec<(f64, f64)> {
    let stat = procfs::KernelStats::current().ok();
    let ticks = procfs::ticks_per_second() as f64;
    let times = stat.iter().flat_map(|s| &s.cpu_time).map(|c| {
        // User time already includes guest time.
        let busy = c.user + c.nice + c.system + c.irq.unwrap_or(0) + c.softirq.unwrap_or(0);
        (busy as f64 / ticks, c.steal.unwrap_or(0) as f64 / ticks)
    });
    times.collect()
}

/// Returns the busy seconds of each core since boot, by any process. It reads a single file, which
/// is cheap enough for frequent calls.
pub fn busy_seconds() -> Vec<f64> {
    cores().into_iter().map(|(busy, _)| busy).collect()
}

fn thermal_throttles() -> u64 {
    let cpus = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let counts = cpus.filter_map(|cpu| {
        fs::read_to_string(cpu.path().join("thermal_throttle/core_throttle_count"))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    });
    counts.sum()
}

/// Returns the Gini coefficient of `values`, scaled by n / (n - 1) so that it is 1 for every n if
/// one value has everything.
fn disparity(values: &[f64]) -> f64 {
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    if values.len() < 2 || sum <= 0.0 {
        return 0.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let weighted: f64 = sorted.iter().enumerate().map(|(i, v)| (i as f64 + 1.0) * v).sum();
    let gini = 2.0 * weighted / (n * sum) - (n + 1.0) / n;
    (gini * n / (n - 1.0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::disparity;

    #[test]
    fn disparity_is_zero_for_equal_and_one_for_single_use() {
        assert_eq!(disparity(&[]), 0.0);
        assert_eq!(disparity(&[0.0, 0.0]), 0.0);
        assert!(disparity(&[0.7; 12]).abs() < 1e-12);
        for n in [2, 5, 64] {
            let mut one = vec![0.0; n];
            one[n / 2] = 0.9;
            assert!((disparity(&one) - 1.0).abs() < 1e-12, "n = {n}");
        }
        // Two of four cores busy: Gini 1/2, scaled by 4/3.
        assert!((disparity(&[1.0, 1.0, 0.0, 0.0]) - 2.0 / 3.0).abs() < 1e-12);
    }
}
