//! Waiting for a Python to appear in a process: after its start, and after every `exec`.
//!
//! A process becomes a Python at some time, or never: a shell runs first, the interpreter makes its
//! runtime, a program loads libpython late. Nothing announces it, so the process is asked again,
//! ever less often while it stays the same program.

use crate::process::{AttachError, Process, ProgramId};
use crate::python::Python;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time to the second attempt at a program. It doubles with each attempt,
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// or up to this in a CPython that is starting: its runtime is found at once.
const STARTING_PAUSE: Duration = Duration::from_millis(20);
/// What was not found of an interpreter in this time after it was first seen will not be found
/// later.
const INCOMPLETE: Duration = Duration::from_millis(500);

/// A process in which a Python may appear.
#[derive(Debug)]
pub struct Arrival {
    pid: u32,
    program: Option<(ProgramId, PathBuf)>,
    next: Instant,
    pause: Duration,
    /// When the program first showed an interpreter.
    seen: Option<Instant>,
}

impl Arrival {
    /// Waits for a Python in process `pid`.
    #[must_use]
    pub fn new(pid: u32) -> Arrival {
        Arrival { pid, program: None, next: Instant::now(), pause: FIRST_PAUSE, seen: None }
    }

    /// The Python in the process, once it has one whose threads can be looked at. Does not wait,
    /// and does little where it is too early to search a program again.
    ///
    /// # Errors
    /// There will be none: the process ended, may not be read, or runs a CPython whose layout is
    /// not known.
    pub fn poll(&mut self) -> Result<Option<Python>, AttachError> {
        let process = match Process::open(self.pid) {
            Err(AttachError::Exec(_)) => return Ok(None),
            opened => opened?,
        };
        let now = Instant::now();
        let program = Some((process.program(), process.executable.clone()));
        if self.program.is_some() && self.program != program {
            (self.next, self.pause, self.seen) = (now, FIRST_PAUSE, None);
        }
        self.program = program;
        if now < self.next {
            return Ok(None);
        }
        (self.next, self.pause) = (now + self.pause, (self.pause * 2).min(LONGEST_PAUSE));
        let python = match Python::within(process) {
            Ok(python) => python,
            Err(AttachError::NotPython { .. }) => return Ok(None),
            Err(AttachError::NoThread(_)) => {
                self.pause = self.pause.min(STARTING_PAUSE);
                return Ok(None);
            }
            // The memory that was read may have been another program's a moment ago.
            Err(AttachError::Layout { .. } | AttachError::Ended(_))
                if self.seen(now) < INCOMPLETE =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // An interpreter that is starting shows less than it will.
        let is_early = !python.layout().missing.is_empty() && self.seen(now) < INCOMPLETE;
        if is_early {
            self.next = now + FIRST_PAUSE;
            return Ok(None);
        }
        Ok(Some(python).filter(|python| python.process().runs_same_program()))
    }

    /// Makes the next [`Arrival::poll`] attach at once, to what there is: the program will not go
    /// on before that.
    pub fn hurry(&mut self) {
        let now = Instant::now();
        (self.next, self.seen) = (now, now.checked_sub(INCOMPLETE));
    }

    /// How long the program has been known to have an interpreter.
    fn seen(&mut self, now: Instant) -> Duration {
        now.duration_since(*self.seen.get_or_insert(now))
    }

    /// The program that the process ran at the last attempt, and its executable.
    #[must_use]
    pub fn program(&self) -> Option<(ProgramId, &Path)> {
        self.program.as_ref().map(|(program, path)| (*program, path.as_path()))
    }
}
