//! Cycles of waits in one look.

use super::{ThreadDump, ThreadInfo};
use crate::deadlock;

impl ThreadDump {
    /// Returns the cycles of waits in this look as thread indices. The waits may not have existed
    /// at the same time.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        self.cycles_where(|info| info.blocked.is_some_and(|waiting| !waiting.timed))
    }

    /// Returns the cycles in which a thread waits with a timeout, so that they end by themselves.
    #[must_use]
    pub fn timed_cycles(&self) -> Vec<Vec<usize>> {
        let is_timed =
            |&index: &usize| self.threads[index].blocked.is_some_and(|waiting| waiting.timed);
        let mut cycles = self.cycles_where(|info| info.blocked.is_some());
        cycles.retain(|cycle| cycle.iter().any(is_timed));
        cycles
    }

    fn cycles_where(&self, counts: impl Fn(&ThreadInfo) -> bool) -> Vec<Vec<usize>> {
        let same =
            |one: &ThreadInfo, other: &ThreadInfo| one.thread.native_id == other.thread.native_id;
        // A wait ends when the thread continues, in whichever interpreter it is running.
        let one = |thread: usize| {
            let info = &self.threads[thread];
            let elsewhere =
                || self.threads.iter().position(|other| other.is_current && same(info, other));
            if info.is_current { thread } else { elsewhere().unwrap_or(thread) }
        };
        let waits: Vec<Option<Vec<usize>>> = self
            .threads
            .iter()
            .map(|info| {
                let holders = || info.holders.iter().map(|holder| one(holder.thread)).collect();
                (info.stuck_on_holders && counts(info)).then(holders)
            })
            .collect();
        deadlock::cycles(&waits)
    }

    pub(super) fn tids(&self, cycle: &[usize]) -> Vec<u32> {
        cycle.iter().map(|&index| self.threads[index].thread.native_id).collect()
    }
}
