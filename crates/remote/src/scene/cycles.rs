//! Cycles of waits in one look.

use super::{Scene, Seen};
use crate::deadlock;
use rustc_hash::FxHashMap;

impl Scene {
    /// Cycles of waits in this one look, by indices of threads. They may never have been so at one time.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        self.cycles_where(|seen| seen.waiting.is_some_and(|waiting| !waiting.timed))
    }

    /// Cycles in which a thread waits with a timeout, which will end by themselves.
    #[must_use]
    pub fn passing_cycles(&self) -> Vec<Vec<usize>> {
        let is_timed = |&index: &usize| self.threads[index].waiting.is_some_and(|waiting| waiting.timed);
        let mut cycles = self.cycles_where(|seen| seen.waiting.is_some());
        cycles.retain(|cycle| cycle.iter().any(is_timed));
        cycles
    }

    fn cycles_where(&self, counts: impl Fn(&Seen) -> bool) -> Vec<Vec<usize>> {
        let innermost = self.innermost();
        let one =
            |thread: usize| innermost.get(&self.threads[thread].thread.native_id).copied().unwrap_or(thread);
        let waits: Vec<Option<Vec<usize>>> = self
            .threads
            .iter()
            .map(|seen| {
                let holders = || seen.holders.iter().map(|holder| one(holder.thread)).collect();
                (seen.stuck_on_holders && counts(seen)).then(holders)
            })
            .collect();
        deadlock::cycles(&waits)
    }

    /// A thread that runs code in a subinterpreter has a thread state in each interpreter, of which the one of the later
    /// interpreter is at work. Its place by the thread's number.
    fn innermost(&self) -> FxHashMap<u32, usize> {
        let mut places = FxHashMap::default();
        for (index, seen) in self.threads.iter().enumerate() {
            // A state without frames is one that is kept for later.
            if !seen.stack.frames.is_empty() || !places.contains_key(&seen.thread.native_id) {
                places.insert(seen.thread.native_id, index);
            }
        }
        places
    }

    /// What the kernel says of a thread is about the thread state at work only.
    pub(super) fn one_wait_a_thread(&mut self) {
        let innermost = self.innermost();
        for (index, seen) in self.threads.iter_mut().enumerate() {
            if innermost.get(&seen.thread.native_id) != Some(&index) {
                seen.waiting = None;
                seen.wants_gil = false;
            }
        }
    }

    pub(super) fn tids(&self, cycle: &[usize]) -> Vec<u32> {
        cycle.iter().map(|&index| self.threads[index].thread.native_id).collect()
    }
}
