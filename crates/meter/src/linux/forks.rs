//! Detects forks while other threads ran. Such a child inherits locks that nobody will release;
//! CPython warns about it, but by default only if the fork is in `__main__`. Seen from outside,
//! such a child has the command line of its parent (it did not exec), and the parent has a thread
//! that is older than the child.

use super::proc;
use procfs::process::Process;
use std::collections::{HashMap, HashSet};

/// A fork while other threads ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// Process id of the parent.
    pub parent: i32,
    /// Process id of the child.
    pub child: i32,
    /// Names of the parent's other threads that are older than the child.
    pub threads: Vec<String>,
}

/// Detects such forks among a tree's members.
#[derive(Debug, Default)]
pub struct ForkDetector {
    examined: HashSet<(i32, u64)>,
    suspects: HashMap<i32, Fork>,
}

impl ForkDetector {
    /// Examines the members and returns newly confirmed forks: those that did not exec between two
    /// calls.
    pub fn update(&mut self, members: &[i32]) -> Vec<Fork> {
        let mut confirmed = Vec::new();
        for &pid in members {
            if let Some(fork) = self.suspects.remove(&pid) {
                if same_program(fork.parent, pid) {
                    confirmed.push(fork);
                }
                continue;
            }
            let Some(child) = proc::stat(pid) else { continue };
            if !self.examined.insert((pid, child.starttime)) || !members.contains(&child.ppid) {
                continue;
            }
            let threads = older_threads(child.ppid, child.starttime);
            if !threads.is_empty() && same_program(child.ppid, pid) {
                self.suspects.insert(pid, Fork { parent: child.ppid, child: pid, threads });
            }
        }
        confirmed
    }
}

/// Returns the names of the threads of `pid`, except its main thread, that started in a clock tick
/// before `tick`.
fn older_threads(pid: i32, tick: u64) -> Vec<String> {
    let Ok(tasks) = Process::new(pid).and_then(|p| p.tasks()) else { return Vec::new() };
    let others = tasks.flatten().filter(|t| t.tid != pid).filter_map(|t| t.stat().ok());
    others.filter(|s| s.starttime < tick).map(|s| s.comm).collect()
}

fn same_program(a: i32, b: i32) -> bool {
    let line = |pid| {
        Process::new_with_root(proc::process_dir(pid))
            .and_then(|p| p.cmdline())
            .ok()
            .filter(|l| !l.is_empty())
    };
    line(a).is_some_and(|a| line(b) == Some(a))
}
