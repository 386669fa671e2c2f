//! Waits for a Python interpreter to appear in a process, after its start and after every `exec`.
//!
//! A process may become a Python late or never: a shell runs first, the interpreter has to
//! initialize its runtime, or a program loads libpython on demand. No event announces this, so the
//! process is polled, at increasing intervals while it runs the same program.

use crate::process::{AttachError, Process, ProgramId};
use crate::python::Python;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Interval between the first and the second attempt at a program. Doubles with each attempt.
const INITIAL_INTERVAL: Duration = Duration::from_millis(2);
/// Upper bound of the interval.
const MAX_INTERVAL: Duration = Duration::from_secs(5);
/// Upper bound of the interval while a CPython is starting; its runtime is found quickly.
const STARTUP_INTERVAL: Duration = Duration::from_millis(20);
/// Structures of an interpreter that were not found this long after it was first seen are not
/// expected to appear later.
const INCOMPLETE_TIMEOUT: Duration = Duration::from_millis(500);

/// Polls a process for a Python interpreter.
#[derive(Debug)]
pub struct Arrival {
    pid: u32,
    program: Option<(ProgramId, PathBuf)>,
    next: Instant,
    interval: Duration,
    /// Time at which the program first showed an interpreter.
    seen: Option<Instant>,
}

impl Arrival {
    /// Starts polling process `pid`.
    #[must_use]
    pub fn new(pid: u32) -> Arrival {
        Arrival { pid, program: None, next: Instant::now(), interval: INITIAL_INTERVAL, seen: None }
    }

    /// Returns the Python of the process as soon as it has a thread that can be read. Does not
    /// block, and returns early between two attempts.
    ///
    /// # Errors
    /// A Python can no longer appear: the process ended, may not be read, or runs a CPython with an
    /// unsupported layout.
    pub fn poll(&mut self) -> Result<Option<Python>, AttachError> {
        let process = match Process::open(self.pid) {
            Err(AttachError::Exec(_)) => return Ok(None),
            opened => opened?,
        };
        let now = Instant::now();
        let program = Some((process.program(), process.executable.clone()));
        if self.program.is_some() && self.program != program {
            (self.next, self.interval, self.seen) = (now, INITIAL_INTERVAL, None);
        }
        self.program = program;
        if now < self.next {
            return Ok(None);
        }
        (self.next, self.interval) = (now + self.interval, (self.interval * 2).min(MAX_INTERVAL));
        let python = match Python::within(process) {
            Ok(python) => python,
            Err(AttachError::NotPython { .. }) => return Ok(None),
            Err(AttachError::NoThread(_)) => {
                self.interval = self.interval.min(STARTUP_INTERVAL);
                return Ok(None);
            }
            // The memory that was read may have belonged to the previous program.
            Err(AttachError::Layout { .. } | AttachError::Ended(_))
                if self.seen_for(now) < INCOMPLETE_TIMEOUT =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // An interpreter that is still starting exposes only some of its structures.
        let is_early =
            !python.layout().missing.is_empty() && self.seen_for(now) < INCOMPLETE_TIMEOUT;
        if is_early {
            self.next = now + INITIAL_INTERVAL;
            return Ok(None);
        }
        Ok(Some(python).filter(|python| python.process().runs_same_program()))
    }

    /// Makes the next [`Arrival::poll`] attach immediately, even to an incomplete interpreter. For
    /// programs that do not continue until the poll.
    pub fn hurry(&mut self) {
        let now = Instant::now();
        (self.next, self.seen) = (now, now.checked_sub(INCOMPLETE_TIMEOUT));
    }

    /// Returns for how long the program is known to have an interpreter.
    fn seen_for(&mut self, now: Instant) -> Duration {
        now.duration_since(*self.seen.get_or_insert(now))
    }

    /// Returns the program that the process ran at the last attempt, and its executable.
    #[must_use]
    pub fn program(&self) -> Option<(ProgramId, &Path)> {
        self.program.as_ref().map(|(program, path)| (*program, path.as_path()))
    }
}
