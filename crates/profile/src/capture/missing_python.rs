//! Tracks a root process while it has no Python: between an `exec` and the next Python, or until it
//! ends.

use std::path::{Path, PathBuf};
use std::time::Duration;
use ungil_format::duration;
use ungil_remote::{Process, ProgramId};

/// A process that was sampled and has no Python now.
#[derive(Debug)]
pub(super) struct MissingPython {
    pub(super) pid: u32,
    program: ProgramId,
    /// When it lost its Python, from the beginning of the capture.
    since: Duration,
    /// The executable that it runs now, if it is another program.
    other: Option<PathBuf>,
}

impl MissingPython {
    pub(super) fn new(process: &Process, since: Duration) -> MissingPython {
        MissingPython { pid: process.pid, program: process.program(), since, other: None }
    }

    /// Records which program the process runs. An interpreter that is shutting down is still the
    /// same program.
    pub(super) fn set_program(&mut self, program: ProgramId, executable: &Path) {
        if program != self.program {
            self.other = Some(executable.to_owned());
        }
    }

    /// Returns the other program that the process runs, and for how long at `now`.
    pub(super) fn other_program(&self, now: Duration) -> Option<(PathBuf, Duration)> {
        Some((self.other.clone()?, now.saturating_sub(self.since)))
    }

    /// Returns a note for when a Python has appeared in the process again.
    pub(super) fn reappeared(self, program: ProgramId, now: Duration) -> Option<String> {
        (program != self.program).then(|| {
            format!(
                "process {} replaced itself with another program (exec) after {}; its new Python is profiled from {} on",
                self.pid,
                duration(self.since.as_secs_f64()),
                duration(now.as_secs_f64())
            )
        })
    }

    /// Returns a note for when none has appeared.
    pub(super) fn never_reappeared(self) -> Option<String> {
        let other = self.other?;
        Some(format!(
            "process {} replaced itself with {} (exec) after {}; nothing was profiled from then on, because no Python started in it",
            self.pid,
            other.display(),
            duration(self.since.as_secs_f64())
        ))
    }
}
