//! Finds all Python processes on this machine.
//!
//! A Python process is recognized by its memory, not by its name, so web servers, notebooks and
//! programs with an embedded interpreter are found too. This requires reading each process's
//! writable data. A [`ProcessScanner`] caches the result per process, so that a second scan only
//! reads new processes.

use crate::linux::proc_stat;
use crate::process::{AttachError, Process, ProgramId};
use crate::python::Python;
use cpython_layout::Version;
use procfs::Current;
use rustc_hash::FxHashMap;
use std::path::PathBuf;

/// Maximum number of processes in one scan.
const MAX_PROCESSES: usize = 1 << 16;

/// A Python process.
#[derive(Debug, Clone)]
pub struct PythonProcess {
    /// Process id.
    pub pid: u32,
    /// Python version.
    pub version: Version,
    /// Whether it is a free-threaded build.
    pub free_threaded: bool,
    /// Path of its executable.
    pub executable: PathBuf,
    /// Command line.
    pub command: Vec<String>,
    /// Start time in clock ticks since boot.
    pub started: u64,
}

/// Result of a scan.
#[derive(Debug, Default)]
pub struct ProcessListing {
    /// The Python processes, sorted by process id.
    pub found: Vec<PythonProcess>,
    /// Processes that may not be read and so might be Pythons, and Pythons with an unsupported
    /// layout.
    pub refused: Vec<(u32, AttachError)>,
}

impl ProcessListing {
    /// Adds a process that could not be read, unless the error means that there is no process to
    /// read.
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

/// Scans the machine and caches what each process is.
#[derive(Debug, Default)]
pub struct ProcessScanner {
    /// By process id and start time; `Some` for a Python. `exec` changes the program of a process,
    /// so the program is compared too.
    known: FxHashMap<(u32, u64), (ProgramId, Option<PythonProcess>)>,
}

impl ProcessScanner {
    /// Scans all processes except this one.
    pub fn run(&mut self) -> ProcessListing {
        let mut listing = ProcessListing::default();
        let mut current = FxHashMap::default();
        for pid in pids() {
            let Some(stat) = proc_stat::stat(pid).filter(|stat| !stat.kernel && stat.state != 'Z')
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
                        let found = PythonProcess {
                            pid,
                            version: python.version(),
                            free_threaded: python.offsets().free_threaded,
                            executable: process.executable.clone(),
                            command: process.command.clone(),
                            started: stat.started,
                        };
                        (program, Some(found))
                    }
                    // A Python that is still starting has no interpreter yet and looks like any
                    // other program.
                    Err(AttachError::NotPython { .. } | AttachError::NoThread(_))
                        if is_young(stat.started) =>
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
            current.insert(key, entry);
        }
        self.known = current;
        listing.found.sort_by_key(|found| found.pid);
        listing
    }
}

/// Returns all Python processes on this machine.
#[must_use]
pub fn pythons() -> ProcessListing {
    ProcessScanner::default().run()
}

/// Returns whether a process was started in the last two seconds.
fn is_young(started: u64) -> bool {
    let uptime = procfs::Uptime::current().map(|uptime| uptime.uptime);
    uptime.map_or(true, |uptime| uptime - started as f64 / procfs::ticks_per_second() as f64 <= 2.0)
}

fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    let mut pids: Vec<u32> =
        names.filter(|&pid| pid != std::process::id()).take(MAX_PROCESSES).collect();
    pids.sort_unstable();
    pids
}
