//! How much memory there is for a program that is about to start: what the system has, and what
//! every cgroup above us still allows.

use super::cgroup;
use procfs::Current;
use std::fs;

/// Bytes that can be had without swapping: `MemAvailable`, or less where a cgroup's `memory.max`
/// leaves less. `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    let system = procfs::Meminfo::current().ok()?.mem_available?;
    let number =
        |path: std::path::PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let above = cgroup::own().into_iter().flat_map(|own| own.ancestors());
    let left = above.filter_map(|group| {
        let most = number(group.join("memory.max"))?;
        // Pages of files are given back before anyone is ended for want of memory.
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let given_back =
            stat.lines().find_map(|l| l.strip_prefix("inactive_file ")?.parse::<u64>().ok());
        let used = number(group.join("memory.current"))?.saturating_sub(given_back.unwrap_or(0));
        Some(most.saturating_sub(used))
    });
    Some(left.fold(system, u64::min))
}
