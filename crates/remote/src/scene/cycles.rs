//! Cycles of waits in one look.

use super::{Scene, Seen};
use crate::deadlock;
use crate::python::{Python, Thread};

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
        let same = |one: &Seen, other: &Seen| one.thread.native_id == other.thread.native_id;
        // Who is to go on is the thread, wherever it is at work.
        let one = |thread: usize| {
            let seen = &self.threads[thread];
            let elsewhere = || self.threads.iter().position(|other| other.at_work && same(seen, other));
            if seen.at_work { thread } else { elsewhere().unwrap_or(thread) }
        };
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

    /// What the kernel says of a thread is about the thread state that it runs with only.
    pub(super) fn one_wait_a_thread(&mut self, python: &Python) {
        let threads: Vec<Thread> = self.threads.iter().map(|seen| seen.thread).collect();
        for (seen, at_work) in self.threads.iter_mut().zip(python.at_work(&threads)) {
            seen.at_work = at_work;
            if !at_work {
                seen.waiting = None;
                seen.wants_gil = false;
            }
        }
    }

    pub(super) fn tids(&self, cycle: &[usize]) -> Vec<u32> {
        cycle.iter().map(|&index| self.threads[index].thread.native_id).collect()
    }
}
