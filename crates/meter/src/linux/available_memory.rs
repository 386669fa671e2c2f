//! Determines the available memory: that of the system, limited by the cgroups of this process.

use super::cgroup;
use procfs::Current;
use std::fs;

/// Returns the bytes that can be allocated without swapping: `MemAvailable`, or less if a cgroup's
/// `memory.max` leaves less. `None` if the system does not report it.
pub fn available_memory() -> Option<u64> {
    let system = procfs::Meminfo::current().ok()?.mem_available?;
    let number =
        |path: std::path::PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let above = cgroup::own().into_iter().flat_map(|own| own.ancestors());
    let left = above.filter_map(|group| {
        let limit = number(group.join("memory.max"))?;
        // File pages are reclaimed before the OOM killer runs.
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let reclaimable =
            stat.lines().find_map(|l| l.strip_prefix("inactive_file ")?.parse::<u64>().ok());
        let used = number(group.join("memory.current"))?.saturating_sub(reclaimable.unwrap_or(0));
        Some(limit.saturating_sub(used))
    });
    Some(left.fold(system, u64::min))
}
