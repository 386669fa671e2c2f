//! The time in which the process that was asked for has no Python: between an `exec` and the next
//! Python, or until its end.

use std::path::{Path, PathBuf};
use std::time::Duration;
use ungil_format::duration;
use ungil_remote::{Process, ProgramId};

/// A process that was looked at and cannot be any more.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) pid: u32,
    program: ProgramId,
    /// Since when, from the beginning of the capture.
    since: Duration,
    /// The executable that it runs instead.
    other: Option<PathBuf>,
}

impl Away {
    pub(super) fn new(process: &Process, since: Duration) -> Away {
        Away { pid: process.pid, program: process.program(), since, other: None }
    }

    /// Takes note of what the process runs now. An interpreter that is ending is still the same
    /// program.
    pub(super) fn runs(&mut self, program: ProgramId, executable: &Path) {
        if program != self.program {
            self.other = Some(executable.to_owned());
        }
    }

    /// The executable that runs instead, and for how long at `now`.
    pub(super) fn without_python(&self, now: Duration) -> Option<(PathBuf, Duration)> {
        Some((self.other.clone()?, now.saturating_sub(self.since)))
    }

    /// What there is to say once a Python has appeared in the process.
    pub(super) fn back(self, program: ProgramId, now: Duration) -> Option<String> {
        (program != self.program).then(|| {
            format!(
                "process {} became another program by exec after {}; the Python in it is looked at from {} on",
                self.pid,
                duration(self.since.as_secs_f64()),
                duration(now.as_secs_f64())
            )
        })
    }

    /// What there is to say if none has.
    pub(super) fn gone_on(self) -> Option<String> {
        let other = self.other?;
        Some(format!(
            "process {} became {} by exec after {}, in which no Python appeared: nothing was seen from then on",
            self.pid,
            other.display(),
            duration(self.since.as_secs_f64())
        ))
    }
}
