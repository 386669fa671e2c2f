//! Forks taken while other threads ran. Such a child inherits locks that nobody will ever release;
//! CPython warns of it, but by default only when the fork is in `__main__`. Seen from outside: a
//! member whose command line is its parent's (it forked and did not exec), while a thread of the
//! parent is older than it.

use super::proc;
use procfs::process::Process;
use std::collections::{HashMap, HashSet};

/// A fork that was taken while threads ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The parent's process id.
    pub parent: i32,
    /// The child's.
    pub child: i32,
    /// Names of the parent's other threads that were there before the child, and still are.
    pub threads: Vec<String>,
}

/// Watches a tree's members for such forks.
#[derive(Debug, Default)]
pub struct ForkWatch {
    judged: HashSet<(i32, u64)>,
    suspects: HashMap<i32, Fork>,
}

impl ForkWatch {
    /// Looks at the members; returns forks that are certain by now: seen without an exec in two
    /// looks.
    pub fn look(&mut self, members: &[i32]) -> Vec<Fork> {
        let mut certain = Vec::new();
        for &pid in members {
            if let Some(fork) = self.suspects.remove(&pid) {
                if same_program(fork.parent, pid) {
                    certain.push(fork);
                }
                continue;
            }
            let Some(child) = proc::stat(pid) else { continue };
            if !self.judged.insert((pid, child.starttime)) || !members.contains(&child.ppid) {
                continue;
            }
            let threads = older_threads(child.ppid, child.starttime);
            if !threads.is_empty() && same_program(child.ppid, pid) {
                self.suspects.insert(pid, Fork { parent: child.ppid, child: pid, threads });
            }
        }
        certain
    }
}

/// Threads of `pid` but its first that started in a clock tick before `tick`.
fn older_threads(pid: i32, tick: u64) -> Vec<String> {
    let Ok(tasks) = Process::new(pid).and_then(|p| p.tasks()) else { return Vec::new() };
    let others = tasks.flatten().filter(|t| t.tid != pid).filter_map(|t| t.stat().ok());
    others.filter(|s| s.starttime < tick).map(|s| s.comm).collect()
}

fn same_program(a: i32, b: i32) -> bool {
    let line = |pid| {
        Process::new_with_root(proc::folder(pid))
            .and_then(|p| p.cmdline())
            .ok()
            .filter(|l| !l.is_empty())
    };
    line(a).is_some_and(|a| line(b) == Some(a))
}
