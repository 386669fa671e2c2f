//! The processes that are looked at: the one asked for and, if they are wanted, the Pythons among
//! its descendants.
//!
//! New ones are looked for a few times a second. A process without a Python is waited for as long
//! as it lives: it may not have come to `exec` or to making its runtime yet, or become a shell
//! first.

use rustc_hash::FxHashMap;
use std::fs;
use std::path::Path;
use ungil_remote::{Arrival, AttachError, ProgramId, Python};

/// Refusals after which a process is not asked again: a program that changes its user can be read
/// at first.
const MOST_REFUSALS: u32 = 8;
/// Descendants that are kept count of.
const MOST: usize = 1 << 12;

/// A process of the family.
#[derive(Debug)]
enum Kin {
    Watched,
    Awaited { arrival: Arrival, refusals: u32 },
    Refused,
}

/// What is known of the processes.
#[derive(Debug, Default)]
pub(super) struct Family {
    kin: FxHashMap<u32, Kin>,
    /// What could not be looked into, and why.
    pub(super) notes: Vec<String>,
}

impl Family {
    /// Takes in a process that is looked at.
    pub(super) fn watch(&mut self, pid: u32) {
        self.kin.insert(pid, Kin::Watched);
    }

    /// Takes note that a process is not looked at any more. If it is still there, it is waited for.
    pub(super) fn lose(&mut self, pid: u32) {
        self.kin.remove(&pid);
    }

    /// Whether a process is there and a Python may appear in it.
    pub(super) fn is_awaited(&self, pid: u32) -> bool {
        matches!(self.kin.get(&pid), Some(Kin::Awaited { .. }))
    }

    /// The program and the executable of a process that is there and has no Python.
    pub(super) fn awaited(&self, pid: u32) -> Option<(ProgramId, &Path)> {
        match self.kin.get(&pid)? {
            Kin::Awaited { arrival, .. } => arrival.program(),
            Kin::Watched | Kin::Refused => None,
        }
    }

    /// Attaches to the Pythons that have appeared since in `roots` and, with `children`, in their
    /// descendants.
    pub(super) fn find(&mut self, roots: &[u32], children: bool) -> Vec<Python> {
        let mut found = Vec::new();
        let mut there: Vec<u32> = roots.to_vec();
        let mut next = 0;
        while let Some(&pid) = there.get(next) {
            next += 1;
            if children && there.len() < MOST {
                there.extend(children_of(pid));
            }
            if let Some(python) = self.poll(pid) {
                found.push(python);
            }
        }
        self.kin.retain(|pid, _| there.contains(pid));
        found
    }

    fn poll(&mut self, pid: u32) -> Option<Python> {
        let new = || Kin::Awaited { arrival: Arrival::new(pid), refusals: 0 };
        let kin = self.kin.entry(pid).or_insert_with(new);
        let Kin::Awaited { arrival, refusals } = kin else { return None };
        match arrival.poll() {
            Ok(Some(python)) => {
                *kin = Kin::Watched;
                Some(python)
            }
            Ok(None) => None,
            Err(error @ (AttachError::Denied { .. } | AttachError::Layout { .. })) => {
                *refusals += 1;
                if *refusals >= MOST_REFUSALS {
                    self.notes.push(format!("a process was not looked at: {error}"));
                    *kin = Kin::Refused;
                }
                None
            }
            Err(_) => {
                self.kin.remove(&pid);
                None
            }
        }
    }
}

/// The children of a process, of all of its threads.
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
