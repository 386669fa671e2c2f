//! The members of a tree and what they use.

use super::Tree;
use crate::linux::{proc, sys};
use crate::{Counters, monotonic_ns};

impl Tree {
    /// Excludes a child of this process, started after the tree, from the tree.
    pub fn disown(&mut self, pid: i32) {
        self.preexisting_children.push(pid);
    }

    fn adopted(&self) -> impl Iterator<Item = i32> {
        let (root, preexisting_children) = (self.root, self.preexisting_children.clone());
        proc::own_children()
            .into_iter()
            .filter(move |pid| *pid != root && !preexisting_children.contains(pid))
    }

    /// Returns the process ids of the members, the root first if it still exists.
    pub fn members(&self) -> Vec<i32> {
        if let Some(members) = self.cgroup.as_ref().and_then(|c| c.members().ok()) {
            return members;
        }
        let mut roots: Vec<i32> = self.adopted().collect();
        if self.reaped.is_none() {
            roots.insert(0, self.root);
        }
        proc::descendants(&roots)
    }

    /// Reaps orphans that have exited, so that they leave no zombies and their usage is counted.
    pub fn reap_orphans(&mut self) {
        for pid in self.adopted().collect::<Vec<_>>() {
            if let Ok(Some(dead)) = sys::reap(pid, false) {
                self.orphans = self.orphans.plus(&dead.spent);
                self.largest_orphan = self.largest_orphan.max(dead.largest_rss);
            }
        }
    }

    /// Returns what the tree has used so far.
    ///
    /// CPU time comes from the cgroup if there is one; otherwise it is each living member's CPU
    /// clock plus the (tick-grained) time of the children it waited for. Context switches of exited
    /// threads are lost here, except those of the process that marks the phase: `exact` is its id
    /// and its own count of voluntary and involuntary switches, including children it waited for.
    pub fn counters(&self, exact: Option<(i32, u64, u64)>) -> Counters {
        let ticks = procfs::ticks_per_second() as f64;
        let mut sum = self.orphans;
        for pid in self.members() {
            let Some(stat) = proc::stat(pid) else { continue };
            let waited = (stat.cutime.max(0) + stat.cstime.max(0)) as f64 / ticks;
            let (voluntary_switches, involuntary_switches) = match exact {
                Some((known, voluntary, involuntary)) if known == pid => (voluntary, involuntary),
                _ => proc::switches(pid),
            };
            let own = (stat.utime + stat.stime) as f64 / ticks;
            sum = sum.plus(&Counters {
                at_ns: 0,
                user_s: (stat.utime as f64 + stat.cutime.max(0) as f64) / ticks,
                system_s: (stat.stime as f64 + stat.cstime.max(0) as f64) / ticks,
                cpu_s: waited + sys::cpu_clock(pid).map_or(own, |d| d.as_secs_f64()),
                minor_faults: stat.minflt + stat.cminflt,
                major_faults: stat.majflt + stat.cmajflt,
                voluntary_switches,
                involuntary_switches,
            });
        }
        self.with_cgroup_cpu(sum)
    }

    pub(super) fn with_cgroup_cpu(&self, mut sum: Counters) -> Counters {
        if let Some(cpu) = self.cgroup.as_ref().and_then(|c| c.cpu().ok()) {
            (sum.cpu_s, sum.user_s, sum.system_s) = (cpu.total_s, cpu.user_s, cpu.system_s);
        }
        sum.at_ns = monotonic_ns();
        sum
    }
}
