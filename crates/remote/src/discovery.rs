//! Every Python of this machine that can be seen from here.
//!
//! A process is told to be a Python by what lies in its memory and not by its name, so a web
//! server, a notebook or a program with an embedded interpreter is found too. That costs a look at
//! each process's writable data; a [`Search`] keeps what it learnt, and a second one costs only the
//! processes that are new.

use crate::linux::host;
use crate::process::{AttachError, Process, ProgramId};
use crate::python::Python;
use cpython_layout::Version;
use procfs::Current;
use rustc_hash::FxHashMap;
use std::path::PathBuf;

/// Processes that are looked at in one search.
const MOST: usize = 1 << 16;

/// A Python that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The process.
    pub pid: u32,
    /// Its version.
    pub version: Version,
    /// Whether it is a free-threaded build.
    pub free_threaded: bool,
    /// Its program.
    pub executable: PathBuf,
    /// Its arguments.
    pub command: Vec<String>,
    /// When it was started, in clock ticks since the machine was.
    pub started: u64,
}

/// What a search gave.
#[derive(Debug, Default)]
pub struct Listing {
    /// The Pythons, in the order of their numbers.
    pub found: Vec<Found>,
    /// Processes that may not be looked into, so that it cannot be told whether they are Pythons,
    /// and Pythons whose layout is not known.
    pub refused: Vec<(u32, AttachError)>,
}

impl Listing {
    /// Takes in a process that could not be looked into, unless there is nothing to look into.
    fn refuse(&mut self, pid: u32, error: AttachError) {
        match error {
            AttachError::NoProcess(_)
            | AttachError::Ended(_)
            | AttachError::Zombie(_)
            | AttachError::Exec(_)
            | AttachError::Kernel(_) => {}
            error => self.refused.push((pid, error)),
        }
    }
}

/// Searches the machine, and remembers what each process is.
#[derive(Debug, Default)]
pub struct Search {
    /// By number and start: `Some` for a Python. `exec` puts another program behind both, so the
    /// program counts too.
    known: FxHashMap<(u32, u64), (ProgramId, Option<Found>)>,
}

impl Search {
    /// Looks at every process of this machine, this one left out.
    pub fn run(&mut self) -> Listing {
        let mut listing = Listing::default();
        let mut still = FxHashMap::default();
        for pid in pids() {
            let Some(stat) = host::stat(pid).filter(|stat| !stat.kernel && stat.state != 'Z')
            else {
                continue;
            };
            let process = match Process::open(pid) {
                Ok(process) => process,
                Err(error) => {
                    listing.refuse(pid, error);
                    continue;
                }
            };
            let (program, key) = (process.program(), (pid, stat.started));
            let entry = match self.known.remove(&key) {
                Some(known) if known.0 == program => known,
                _ => match Python::within(process) {
                    Ok(python) => {
                        let process = python.process();
                        let found = Found {
                            pid,
                            version: python.version(),
                            free_threaded: python.offsets().free_threaded,
                            executable: process.executable.clone(),
                            command: process.command.clone(),
                            started: stat.started,
                        };
                        (program, Some(found))
                    }
                    // A Python that is still starting has no interpreter yet, and looks like any
                    // other program.
                    Err(AttachError::NotPython { .. } | AttachError::NoThread(_))
                        if young(stat.started) =>
                    {
                        continue;
                    }
                    Err(AttachError::NotPython { .. }) => (program, None),
                    Err(error) => {
                        listing.refuse(pid, error);
                        continue;
                    }
                },
            };
            listing.found.extend(entry.1.clone());
            still.insert(key, entry);
        }
        self.known = still;
        listing.found.sort_by_key(|found| found.pid);
        listing
    }
}

/// Every Python of this machine that can be seen from here.
#[must_use]
pub fn pythons() -> Listing {
    Search::default().run()
}

/// Started in the last two seconds.
fn young(started: u64) -> bool {
    let uptime = procfs::Uptime::current().map(|uptime| uptime.uptime);
    uptime.map_or(true, |uptime| uptime - started as f64 / procfs::ticks_per_second() as f64 <= 2.0)
}

fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    let mut pids: Vec<u32> = names.filter(|&pid| pid != std::process::id()).take(MOST).collect();
    pids.sort_unstable();
    pids
}
