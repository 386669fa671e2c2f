//! Lower bounds for a window's memory peak from the kernel's high-water marks, for peaks between
//! two samples.
//!
//! The kernel keeps the largest resident set of each address space (`VmHWM`). If the mark grew
//! during the window, that size was reached in it. A process that has exited leaves only
//! `ru_maxrss` in its parent's account of waited-for children. On Linux that number starts at what
//! its parent had reached: exec merges the mark of the old address space, which after `vfork` or
//! `posix_spawn` is the parent's own. So it describes the child only if it exceeds every mark that
//! it can have started from.

use crate::linux::proc;
use crate::process_rss_peak;
use std::collections::HashMap;

/// The marks of a tree when a window began.
#[derive(Debug, Clone, Default)]
pub struct HighWater {
    /// The mark of each member; `None` for a zombie.
    members: HashMap<i32, Option<u64>>,
    /// `ru_maxrss` of the waited-for children of the process that marks the window.
    ended: Option<u64>,
}

/// Returns the maximum difference in bytes between two readings of one resident set: the kernel
/// counts pages in batches per processor.
pub(crate) fn rss_error() -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    (processors * processors.max(16) * 2 * procfs::page_size()).min(16 << 20)
}

impl HighWater {
    /// Reads the marks of `members`. `ended` is `ru_maxrss` of the waited-for children of the
    /// process that marks the window.
    pub fn begin(members: &[i32], ended: Option<u64>) -> HighWater {
        HighWater {
            members: members.iter().map(|&pid| (pid, process_rss_peak(pid))).collect(),
            ended,
        }
    }

    /// Returns the largest resident set that a living member reached since [`HighWater::begin`]; 0
    /// if no mark grew.
    pub fn of_living(&self, members: &[i32]) -> u64 {
        let owners = proc::owners(&proc::stats(members));
        let grown = |&pid: &i32| {
            let now = process_rss_peak(pid)?;
            let before = self.members.get(&pid).map_or(Some(0), |mark| *mark)?;
            (now > before.saturating_add(if before > 0 { rss_error() } else { 0 })).then_some(now)
        };
        owners.iter().filter_map(grown).max().unwrap_or(0)
    }

    /// Returns the largest resident set of a child that started and exited since
    /// [`HighWater::begin`], or of one of its descendants. `ended` is the same figure as at the
    /// beginning, read again; `None` if it may belong to another process or an earlier time.
    /// `marker` is the process that marks the window.
    pub fn of_ended(&self, marker: i32, ended: Option<u64>) -> Option<u64> {
        self.exceeding(ended, process_rss_peak(marker))
    }

    fn exceeding(&self, ended: Option<u64>, marker: Option<u64>) -> Option<u64> {
        let unknown = |mark: Option<u64>| mark.unwrap_or(u64::MAX);
        let begun_at = self.members.values().map(|&mark| unknown(mark)).max().unwrap_or(0);
        let bound = begun_at.max(unknown(marker)).max(unknown(self.ended));
        ended.filter(|&rss| rss > bound.saturating_add(rss_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn marks(members: &[(i32, Option<u64>)], ended: u64) -> HighWater {
        HighWater { members: members.iter().copied().collect(), ended: Some(ended) }
    }

    #[test]
    fn ended_child_counts_only_beyond_every_mark_it_can_start_from() {
        let begun = marks(&[(1, Some(20 * MIB)), (2, Some(90 * MIB))], 50 * MIB);
        let small = Some(20 * MIB);
        assert_eq!(begun.exceeding(Some(300 * MIB), small), Some(300 * MIB));
        // The peak of the parent (now or before), of an earlier child, and of another member.
        assert_eq!(begun.exceeding(Some(300 * MIB), Some(300 * MIB)), None);
        assert_eq!(begun.exceeding(Some(90 * MIB), small), None);
        assert_eq!(marks(&[(1, small)], 50 * MIB).exceeding(Some(50 * MIB), small), None);
        // A member that was a zombie before and is waited for now: the time of its peak is not
        // known.
        assert_eq!(marks(&[(1, small), (3, None)], 0).exceeding(Some(300 * MIB), small), None);
        assert_eq!(begun.exceeding(None, small), None);
        assert_eq!(begun.exceeding(Some(300 * MIB), None), None);
    }

    #[test]
    fn grown_mark_was_reached_in_the_window() {
        let me = i32::try_from(std::process::id()).expect("a process id");
        let begun = HighWater::begin(&[me], None);
        let block = vec![1u8; 128 << 20];
        drop(std::hint::black_box(block));
        assert!(begun.of_living(&[me]) > 128 * MIB);
        assert_eq!(HighWater::begin(&[me], None).of_living(&[me]), 0, "nothing grew");
    }
}
