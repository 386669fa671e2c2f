//! Reads the members of a process tree and their data from `/proc`. A member may exit between two
//! reads: that is normal and not an error; sums then cover the members that still existed.
//!
//! If a main thread exits before the others, it becomes a zombie, and `/proc/PID` shows no memory
//! and no arguments although the process still runs. They are then read from the directory of
//! another thread.

use super::sys;
use procfs::process::{Process, Stat};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

/// Returns the children of every thread of `pid`.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = Process::new(pid).and_then(|p| p.tasks()) else { return Vec::new() };
    let children = tasks.flatten().filter_map(|t| t.children().ok()).flatten();
    children.filter_map(|pid| i32::try_from(pid).ok()).collect()
}

/// Returns the children of this process, including zombies.
pub(crate) fn own_children() -> Vec<i32> {
    children(rustix::process::getpid().as_raw_nonzero().get())
}

/// Returns `roots` and all their descendants.
pub(crate) fn descendants(roots: &[i32]) -> Vec<i32> {
    let mut found = roots.to_vec();
    let mut seen: HashSet<i32> = roots.iter().copied().collect();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid).into_iter().filter(|&child| seen.insert(child)));
        next += 1;
    }
    found
}

/// Reads `/proc/PID/stat`; `None` if the process does not exist. State `Z` means that all of its
/// threads have exited.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    let mut stat = Process::new(pid).and_then(|p| p.stat()).ok()?;
    if stat.state == 'Z' && stat.num_threads > 1 {
        let thread =
            Process::new_with_root(process_dir(pid)).and_then(|thread| thread.stat()).ok()?;
        (stat.state, stat.rss, stat.vsize) = (thread.state, thread.rss, thread.vsize);
    }
    Some(stat)
}

/// Returns the directory in `/proc` that shows the memory and the arguments of `pid`: that of its
/// main thread or, if that has exited, of another thread.
pub(crate) fn process_dir(pid: i32) -> PathBuf {
    let process = PathBuf::from(format!("/proc/{pid}"));
    // The first number is the size of the address space, which is 0 if there is none.
    let has_memory =
        |dir: &PathBuf| fs::read_to_string(dir.join("statm")).is_ok_and(|s| !s.starts_with("0 "));
    if has_memory(&process) {
        return process;
    }
    let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    tasks.map(|task| task.path()).find(has_memory).unwrap_or(process)
}

/// Reads `/proc/PID/stat` of the members that are alive.
pub(crate) fn stats(members: &[i32]) -> Vec<Stat> {
    members
        .iter()
        .filter_map(|&pid| stat(pid))
        .filter(|s| s.state != 'Z' && s.state != 'X')
        .collect()
}

/// Returns the processes with their own address space. Between `vfork` and exec a child shares its
/// parent's, and the pages would be counted twice.
pub(crate) fn owners(stats: &[Stat]) -> Vec<i32> {
    let borrows = |child: &Stat| {
        stats.iter().any(|parent| {
            parent.pid == child.ppid
                && (parent.vsize, parent.startstack) == (child.vsize, child.startstack)
                && sys::share_memory(parent.pid, child.pid).unwrap_or(parent.rss == child.rss)
        })
    };
    stats.iter().filter(|s| !borrows(s)).map(|s| s.pid).collect()
}

/// Returns the command line for messages, shortened and without control characters.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let line = Process::new_with_root(process_dir(pid)).and_then(|p| p.cmdline()).ok()?.join(" ");
    let mut line: String =
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(121).collect();
    if line.chars().count() > 120 {
        line.pop();
        line.push('…');
    }
    Some(line)
}

/// Returns the voluntary and involuntary context switches of the living threads of `pid`.
pub(crate) fn switches(pid: i32) -> (u64, u64) {
    let Ok(tasks) = Process::new(pid).and_then(|p| p.tasks()) else { return (0, 0) };
    tasks.flatten().filter_map(|t| t.status().ok()).fold((0, 0), |(v, i), s| {
        (v + s.voluntary_ctxt_switches.unwrap_or(0), i + s.nonvoluntary_ctxt_switches.unwrap_or(0))
    })
}

/// Reads PSS, USS and swap from `smaps_rollup`; `None` if the process does not exist or may not be
/// read.
pub(crate) fn shares(pid: i32) -> Option<Shares> {
    let rollup = Process::new_with_root(process_dir(pid)).and_then(|p| p.smaps_rollup()).ok()?;
    let map = &rollup.memory_map_rollup.0.first()?.extension.map;
    let bytes = |key: &str| map.get(key).copied().unwrap_or(0);
    // A zombie or kernel thread has an empty roll-up; a live process always has Pss.
    map.contains_key("Pss").then(|| Shares {
        pss: bytes("Pss"),
        uss: bytes("Private_Clean") + bytes("Private_Dirty"),
        swap: bytes("Swap"),
    })
}

/// Memory of one process according to `smaps_rollup`, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shares {
    /// Proportional set: a page shared by n processes counts 1/n.
    pub pss: u64,
    /// Unique set: pages no other process maps.
    pub uss: u64,
    /// Swapped out.
    pub swap: u64,
}

/// Returns the living threads of a process and the CPU seconds of each, from the scheduler's count
/// in nanoseconds (`schedstat`) or, if the kernel has none, in ticks.
pub(crate) fn threads_cpu_s(pid: i32) -> Vec<(i32, Option<f64>)> {
    let Ok(tasks) = Process::new(pid).and_then(|p| p.tasks()) else { return Vec::new() };
    let cpu_s = |tid: i32| -> Option<f64> {
        let exact = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok();
        let exact =
            exact.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
        match exact {
            Some(ns) => Some(ns as f64 / 1e9),
            None => {
                let stat = Process::new(pid).ok()?.task_from_tid(tid).ok()?.stat().ok()?;
                Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
            }
        }
    };
    // The kernel removes every thread except the main one at its exit.
    let has_ended = |tid: i32| {
        tid == pid && Process::new(pid).and_then(|p| p.stat()).is_ok_and(|s| s.state == 'Z')
    };
    tasks
        .flatten()
        .filter(|task| !has_ended(task.tid))
        .map(|task| (task.tid, cpu_s(task.tid)))
        .collect()
}

/// Sends `signal`; it is not an error if the process no longer exists.
pub(crate) fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}
