//! The processes to sample: the requested ones and, optionally, the Pythons among their
//! descendants.
//!
//! New ones are searched for a few times per second. A process without a Python is polled as long
//! as it lives: it may not have reached `exec` or initialised its runtime yet, or may be a shell
//! that starts Python later.

use rustc_hash::FxHashMap;
use std::fs;
use std::path::Path;
use ungil_remote::{Arrival, AttachError, ProgramId, Python};

/// Failed attempts to attach after which a process is no longer polled. A program that changes its
/// user can be readable at first.
const MAX_REFUSALS: u32 = 8;
/// Maximum number of descendants.
const MAX_PROCESSES: usize = 1 << 12;

/// The status of a process.
#[derive(Debug)]
enum ProcessStatus {
    Sampled,
    NoPython { arrival: Arrival, refusals: u32 },
    Refused,
}

/// The known processes.
#[derive(Debug, Default)]
pub(super) struct ProcessTree {
    statuses: FxHashMap<u32, ProcessStatus>,
    /// Processes that could not be read, and why.
    pub(super) notes: Vec<String>,
}

impl ProcessTree {
    /// Marks a process as sampled.
    pub(super) fn set_sampled(&mut self, pid: u32) {
        self.statuses.insert(pid, ProcessStatus::Sampled);
    }

    /// Forgets a process that is no longer sampled. If it still exists, it is polled again.
    pub(super) fn forget(&mut self, pid: u32) {
        self.statuses.remove(&pid);
    }

    /// Returns whether a process exists and a Python may appear in it.
    pub(super) fn is_waiting_for(&self, pid: u32) -> bool {
        matches!(self.statuses.get(&pid), Some(ProcessStatus::NoPython { .. }))
    }

    /// Returns the program and executable of a process that exists and has no Python.
    pub(super) fn program_of(&self, pid: u32) -> Option<(ProgramId, &Path)> {
        match self.statuses.get(&pid)? {
            ProcessStatus::NoPython { arrival, .. } => arrival.program(),
            ProcessStatus::Sampled | ProcessStatus::Refused => None,
        }
    }

    /// Attaches to the Pythons that have appeared in `roots` and, with `children`, in their
    /// descendants.
    pub(super) fn find(&mut self, roots: &[u32], children: bool) -> Vec<Python> {
        let mut found = Vec::new();
        let mut existing: Vec<u32> = roots.to_vec();
        let mut next = 0;
        while let Some(&pid) = existing.get(next) {
            next += 1;
            if children && existing.len() < MAX_PROCESSES {
                existing.extend(children_of(pid));
            }
            if let Some(python) = self.poll(pid) {
                found.push(python);
            }
        }
        self.statuses.retain(|pid, _| existing.contains(pid));
        found
    }

    fn poll(&mut self, pid: u32) -> Option<Python> {
        let new = || ProcessStatus::NoPython { arrival: Arrival::new(pid), refusals: 0 };
        let status = self.statuses.entry(pid).or_insert_with(new);
        let ProcessStatus::NoPython { arrival, refusals } = status else { return None };
        match arrival.poll() {
            Ok(Some(python)) => {
                *status = ProcessStatus::Sampled;
                Some(python)
            }
            Ok(None) => None,
            Err(error @ (AttachError::Denied { .. } | AttachError::Layout { .. })) => {
                *refusals += 1;
                if *refusals >= MAX_REFUSALS {
                    self.notes.push(format!("a process was not profiled: {error}"));
                    *status = ProcessStatus::Refused;
                }
                None
            }
            Err(_) => {
                self.statuses.remove(&pid);
                None
            }
        }
    }
}

/// Returns the children of all threads of a process.
fn children_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}
