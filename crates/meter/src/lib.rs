//! What a process tree spends (time, CPU, memory, energy) and what the machine around it was doing
//! meanwhile.
//!
//! This room starts a tree, reads counters and ends it; it knows nothing of arms, blocks or
//! statistics, and it draws no conclusion. Every figure it gives is of the whole tree: children,
//! grandchildren, and orphans (this process becomes the subreaper, so that a double fork does not
//! get away).

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
pub use linux::forks::{Fork, ForkWatch};
pub use linux::proc::Shares;
pub use linux::room::available_memory;
pub use memory::{Memory, Peaks, Sampler};
pub use tree::{End, Error, Launch, Status, Tree};

/// Resident set of one process in bytes; 0 if it is gone.
pub fn process_rss(pid: i32) -> u64 {
    linux::proc::stat(pid).map_or(0, |s| s.rss * procfs::page_size())
}

/// Shares of one process's memory; `None` if it is gone or may not be read. Costs 14 to 17 ms a
/// resident GiB, and the process's memory map is locked meanwhile.
pub fn process_shares(pid: i32) -> Option<Shares> {
    linux::proc::shares(pid)
}

/// The largest resident set one process ever had, in bytes, as the kernel keeps it.
pub fn process_rss_peak(pid: i32) -> Option<u64> {
    let folder = linux::proc::folder(pid);
    let status = procfs::process::Process::new_with_root(folder).and_then(|p| p.status()).ok()?;
    Some(status.vmhwm? * 1024)
}

/// The threads of one process and the CPU seconds of each; empty if it is gone.
pub fn process_threads_cpu_s(pid: i32) -> Vec<(i32, Option<f64>)> {
    linux::proc::threads_cpu_s(pid)
}

/// When a process was started: seconds ago. `None` if it is gone.
pub fn process_age_s(pid: i32) -> Option<f64> {
    let started = linux::proc::stat(pid)?.starttime as f64 / procfs::ticks_per_second() as f64;
    Some((procfs::Uptime::current().ok()?.uptime - started).max(0.0))
}

/// CPU seconds of one process and the children it waited for, to the kernel's tick; it may have
/// ended, but not been waited for. `None` if it is gone.
pub fn process_cpu_s(pid: i32) -> Option<f64> {
    let stat = linux::proc::stat(pid)?;
    let waited = stat.cutime.max(0) + stat.cstime.max(0);
    Some(
        (stat.utime + stat.stime + waited.unsigned_abs()) as f64
            / procfs::ticks_per_second() as f64,
    )
}
