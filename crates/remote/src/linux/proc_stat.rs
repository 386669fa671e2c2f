//! Facts about a process from `/proc`: state, start time, parent, command line, pid namespace.

use super::task;
use rustc_hash::FxHashMap;
use std::fs;

/// The `/proc/PID/stat` of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    /// `R`, `S`, `D`, `Z`...; that of another thread if the main thread has ended before the
    /// process.
    pub(crate) state: char,
    /// Start time in clock ticks since boot.
    pub(crate) started: u64,
    /// Whether it is a kernel thread.
    pub(crate) kernel: bool,
}

/// Flag of kernel threads (`PF_KTHREAD`, include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;

/// Flag of a process that was forked and has not called `exec` since (`PF_FORKNOEXEC`).
const PF_FORKNOEXEC: u32 = 0x0000_0040;

/// Returns the parent of a process that was forked and has not called `exec` since.
pub(crate) fn forked_from(pid: u32) -> Option<u32> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    (stat.flags & PF_FORKNOEXEC != 0).then_some(u32::try_from(stat.ppid).ok()?)
}

/// Reads the stat file of a process; `None` if there is no such process.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let mut state = stat.state;
    if state == 'Z' && stat.num_threads > 1 {
        let other =
            procfs::process::Process::new_with_root(task::folder(pid)).and_then(|task| task.stat());
        state = other.map_or(state, |other| other.state);
    }
    Some(Stat { state, started: stat.starttime, kernel: stat.flags & PF_KTHREAD != 0 })
}

/// Returns the command line of a process; empty if it cannot be read.
pub(crate) fn command(pid: u32) -> Vec<String> {
    let bytes = fs::read(task::folder(pid).join("cmdline")).unwrap_or_default();
    let mut words: Vec<String> =
        bytes.split(|&byte| byte == 0).map(crate::unicode::decoded).collect();
    words.pop_if(|last| last.is_empty());
    words
}

/// Returns whether the process is in a pid namespace of its own, as in a container.
pub(crate) fn has_own_pids(pid: u32) -> bool {
    innermost_id(&format!("/proc/{pid}/status")).is_some()
}

/// Maps thread ids in the process's own pid namespace to thread ids here. For a process with its
/// own pid namespace.
pub(crate) fn ids_by_own_id<'t>(
    pid: u32,
    threads: impl IntoIterator<Item = &'t u32>,
) -> FxHashMap<u32, u32> {
    let own = |&here: &u32| Some((innermost_id(&format!("/proc/{pid}/task/{here}/status"))?, here));
    threads.into_iter().filter_map(own).collect()
}

/// Returns the innermost id of the `NSpid` line, if it has more than one.
fn innermost_id(status: &str) -> Option<u32> {
    // The name in the file need not be UTF-8: it is truncated to 15 bytes.
    let status = fs::read(status).ok()?;
    let status = String::from_utf8_lossy(&status);
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let mut numbers = numbers.split_ascii_whitespace();
    let _here = numbers.next()?;
    numbers.next_back()?.parse().ok()
}
