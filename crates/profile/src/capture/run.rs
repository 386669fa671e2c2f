//! A capture in progress: which processes are sampled, and what they add up to.

use super::missing_python::MissingPython;
use super::process_sampler::ProcessSampler;
use super::process_tree::ProcessTree;
use super::schedule::{Schedule, process_cpu_ns};
use super::{CaptureEnding, CaptureOptions, CaptureProgress, CaptureResult};
use crate::Builder;
use crate::header::Totals;
use std::time::{Duration, Instant};
use ungil_remote::Python;
use ungil_remote::memory::ReadError;

/// A capture in progress.
pub(super) struct CaptureRun<'a> {
    pub(super) roots: Vec<u32>,
    pub(super) samplers: Vec<ProcessSampler>,
    pub(super) processes: ProcessTree,
    pub(super) options: &'a CaptureOptions,
    pub(super) begin: Instant,
    pub(super) torn: u64,
    pub(super) looks: u64,
    pub(super) stacks: u64,
    pub(super) rounds: u64,
    pub(super) notes: Vec<String>,
    /// Set while the root process has no Python.
    pub(super) missing: Option<MissingPython>,
}

impl CaptureRun<'_> {
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn start_sampling(&mut self, python: Python) {
        let pid = python.process().pid;
        self.processes.set_sampled(pid);
        match ProcessSampler::new(python, self.now_ns()) {
            Ok(sampler) => self.samplers.push(sampler),
            Err(_) => self.processes.forget(pid),
        }
    }

    pub(super) fn look(&mut self, thorough: bool, builder: &mut Builder) {
        self.rounds += u64::from(!self.samplers.is_empty());
        let mut index = 0;
        while index < self.samplers.len() {
            let at_ns = self.now_ns();
            match self.samplers[index].look(at_ns, thorough, self.options, builder) {
                Ok(()) => {
                    self.looks += 1;
                    index += 1;
                }
                Err(error) => self.stop_sampling(index, error, builder),
            }
        }
    }

    /// Stops sampling a process that has ended or runs another program.
    pub(super) fn stop_sampling(&mut self, index: usize, error: ReadError, builder: &mut Builder) {
        let mut sampler = self.samplers.swap_remove(index);
        self.add_totals(&mut sampler, builder);
        self.processes.forget(sampler.pid);
        if error == ReadError::Denied {
            self.notes.push(format!("process {} could no longer be read: {error}", sampler.pid));
        }
        if self.samplers.is_empty() && self.roots.contains(&sampler.pid) {
            self.missing =
                Some(MissingPython::new(sampler.python().process(), self.begin.elapsed()));
        }
    }

    /// Adds the totals of a process that is no longer sampled.
    pub(super) fn add_totals(&mut self, sampler: &mut ProcessSampler, builder: &mut Builder) {
        sampler.finish(self.now_ns(), builder);
        self.torn += sampler.torn;
        self.stacks += sampler.stacks;
        self.notes.append(&mut sampler.notes(self.options));
    }

    /// Does the periodic housekeeping.
    pub(super) fn housekeeping(&mut self, builder: &mut Builder) {
        let mut index = 0;
        while index < self.samplers.len() {
            if self.samplers[index].python().process().is_same() {
                self.samplers[index].drop_ended();
                index += 1;
            } else {
                self.stop_sampling(index, ReadError::Gone, builder);
            }
        }
        for python in self.processes.find(&self.roots, self.options.children) {
            let process = python.process();
            if let Some(missing) = self.missing.take_if(|missing| missing.pid == process.pid) {
                self.notes.extend(missing.reappeared(process.program(), self.begin.elapsed()));
            }
            self.start_sampling(python);
        }
        if let Some(missing) = &mut self.missing
            && let Some((program, executable)) = self.processes.program_of(missing.pid)
        {
            missing.set_program(program, executable);
        }
    }

    /// Returns whether nothing is sampled and no Python can appear.
    pub(super) fn is_over(&self) -> bool {
        self.samplers.is_empty()
            && !self.roots.iter().any(|&pid| self.processes.is_waiting_for(pid))
    }

    pub(super) fn progress(&self, elapsed: Duration, missed: u64) -> CaptureProgress {
        CaptureProgress {
            elapsed,
            looks: self.looks,
            missed,
            processes: self.samplers.len(),
            threads: self.samplers.iter().map(ProcessSampler::threads).sum(),
            without_python: self
                .missing
                .as_ref()
                .and_then(|missing| missing.other_program(elapsed)),
        }
    }

    pub(super) fn finish(
        mut self,
        elapsed: Duration,
        schedule: &Schedule,
        cpu: Option<u64>,
        ending: CaptureEnding,
        mut builder: Builder,
    ) -> CaptureResult {
        for mut sampler in std::mem::take(&mut self.samplers) {
            sampler.name_locks(&mut builder);
            self.add_totals(&mut sampler, &mut builder);
        }
        self.notes.append(&mut self.processes.notes);
        self.notes.extend(self.missing.take().and_then(MissingPython::never_reappeared));
        let known = &builder.so_far();
        for want in &self.options.threads {
            if !known.threads.iter().any(|thread| {
                known.string(thread.name) == want || thread.native_id.to_string() == *want
            }) {
                self.notes.push(format!("no thread named {want:?} was found"));
            }
        }
        let totals = Totals {
            duration_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            captured: self.looks,
            rounds: Some(self.rounds),
            missed: schedule.missed,
            missed_busy: Some(schedule.busy),
            torn: self.torn,
            own_cpu_ns: process_cpu_ns()
                .zip(cpu)
                .map(|(after, before)| after.saturating_sub(before)),
            left_out: 0,
            notes: self.notes,
        };
        CaptureResult { finished: builder.finish(totals), ending, stacks: self.stacks }
    }
}
