//! Measures what a process tree uses (time, CPU, memory, energy) and what the machine does
//! meanwhile.
//!
//! This crate starts a tree, reads its counters and ends it. It knows nothing of arms, blocks or
//! statistics, and draws no conclusions. Every figure is of the whole tree: children, grandchildren
//! and orphans. This process becomes a subreaper, so that a double fork does not leave the tree.

use procfs::Current;

mod counters;
pub mod energy;
mod high_water;
mod linux;
pub mod machine;
mod memory;
mod tree;

pub use counters::{Counters, monotonic_ns, own_cpu_s, thread_cpu_s};
pub use high_water::HighWater;
pub use linux::acceptors::acceptors;
pub use linux::available_memory::available_memory;
pub use linux::forks::{Fork, ForkDetector};
pub use linux::proc::Shares;
pub use memory::{Memory, MemorySampler, Peaks};
pub use tree::{End, Launch, Status, Tree, TreeError};

/// Returns the resident set of a process in bytes; 0 if the process does not exist.
pub fn process_rss(pid: i32) -> u64 {
    linux::proc::stat(pid).map_or(0, |s| s.rss * procfs::page_size())
}

/// Returns PSS, USS and swap of a process; `None` if it does not exist or may not be read. This
/// costs 14 to 17 ms per resident GiB, during which the process's memory map is locked.
pub fn process_shares(pid: i32) -> Option<Shares> {
    linux::proc::shares(pid)
}

/// Returns the largest resident set that a process ever had, in bytes (`VmHWM`).
pub fn process_rss_peak(pid: i32) -> Option<u64> {
    let folder = linux::proc::process_dir(pid);
    let status = procfs::process::Process::new_with_root(folder).and_then(|p| p.status()).ok()?;
    Some(status.vmhwm? * 1024)
}

/// Returns the threads of a process and the CPU seconds of each; empty if the process does not
/// exist.
pub fn process_threads_cpu_s(pid: i32) -> Vec<(i32, Option<f64>)> {
    linux::proc::threads_cpu_s(pid)
}

/// Returns the age of a process in seconds; `None` if it does not exist.
pub fn process_age_s(pid: i32) -> Option<f64> {
    let started = linux::proc::stat(pid)?.starttime as f64 / procfs::ticks_per_second() as f64;
    Some((procfs::Uptime::current().ok()?.uptime - started).max(0.0))
}

/// Returns the CPU seconds of a process and of the children it waited for, in steps of the kernel's
/// tick. The process may be a zombie. `None` if it does not exist.
pub fn process_cpu_s(pid: i32) -> Option<f64> {
    let stat = linux::proc::stat(pid)?;
    let waited = stat.cutime.max(0) + stat.cstime.max(0);
    Some(
        (stat.utime + stat.stime + waited.unsigned_abs()) as f64
            / procfs::ticks_per_second() as f64,
    )
}
