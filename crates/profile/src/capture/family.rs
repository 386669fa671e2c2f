//! The processes that are looked at: the one asked for and, if they are wanted, the Pythons among its descendants.
//!
//! New ones are looked for a few times a second. A process that is no Python yet may become one: it has been started, and has
//! not come to `exec` or to making its runtime.

use rustc_hash::FxHashMap;
use std::fs;
use ungil_remote::{AttachError, Python};

/// Times a descendant that is no Python is asked again.
const TRIES: u32 = 8;
/// Descendants that are kept count of.
const MOST: usize = 1 << 12;

/// A descendant's state.
#[derive(Debug, Clone, Copy)]
enum Kin {
    Watched,
    Tried(u32),
}

/// What is known of the processes.
#[derive(Debug, Default)]
pub(super) struct Family {
    kin: FxHashMap<u32, Kin>,
    /// What could not be looked into, and why.
    pub(super) notes: Vec<String>,
}

impl Family {
    /// A process that is looked at.
    pub(super) fn watch(&mut self, pid: u32) {
        self.kin.insert(pid, Kin::Watched);
    }

    /// It is not looked at any more; if it is still there, it may be taken up anew.
    pub(super) fn lose(&mut self, pid: u32) {
        self.kin.insert(pid, Kin::Tried(0));
    }

    /// Attaches to the Pythons among the descendants of `roots` that are not yet watched, and to the roots themselves, which
    /// may have become another program.
    pub(super) fn find(&mut self, roots: &[u32], children: bool) -> Vec<Python> {
        let mut found = Vec::new();
        let mut there: Vec<u32> = roots.to_vec();
        let mut next = 0;
        while let Some(&pid) = there.get(next) {
            next += 1;
            if children && there.len() < MOST {
                there.extend(children_of(pid));
            }
            let tries = match self.kin.get(&pid) {
                Some(Kin::Watched) => continue,
                Some(Kin::Tried(tries)) if *tries >= TRIES => continue,
                Some(Kin::Tried(tries)) => *tries,
                None => 0,
            };
            match Python::attach(pid) {
                Ok(python) => {
                    self.watch(pid);
                    found.push(python);
                }
                Err(error) => {
                    self.kin.insert(pid, Kin::Tried(tries + 1));
                    let tells = matches!(error, AttachError::Denied { .. } | AttachError::Layout { .. });
                    if tells && tries + 1 == TRIES {
                        self.notes.push(format!("a descendant was not looked at: {error}"));
                    }
                }
            }
        }
        self.kin.retain(|pid, _| there.contains(pid));
        found
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
