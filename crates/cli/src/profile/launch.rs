//! Starts a program to be profiled, in our terminal and with the requested Python. It runs to its
//! own end, whatever happens to the profile, unless ungil is stopped.

use super::no_gil;
use crate::args::{Profile, ProfileMode};
use crate::error::CliError;
use crate::sanitize::sanitize;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ungil_pythons::{Implementation, Interpreter, Search, find, resolve};
use ungil_remote::{Arrival, AttachError, Python};

/// Time that a program gets to end after a request.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// Interval of checking whether the program has ended and whether it has a Python.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Longer waits for a Python are reported.
const MIN_REPORTED_WAIT: Duration = Duration::from_secs(1);

/// A program that was started.
#[derive(Debug)]
pub(super) struct Launched {
    child: Child,
    name: String,
}

impl Launched {
    /// Starts the script or module.
    pub(super) fn start(args: &Profile) -> Result<Launched, CliError> {
        let (name, module) = named(args)?;
        let arguments = if module { vec!["-m".into(), name.clone()] } else { vec![name.clone()] };
        let python = python(args.python.as_deref())?;
        let is_switched_on = std::env::var_os("PYTHON_GIL").is_some_and(|value| value == "1");
        if args.mode == ProfileMode::Gil && python.free_threaded && !is_switched_on {
            return Err(no_gil(format!(
                "{} is free-threaded and its GIL is disabled",
                python.name
            )));
        }
        let child =
            Command::new(&python.executable).args(&arguments).args(&args.args).spawn().map_err(
                |error| {
                    let what = format!("cannot start {}", python.executable.display());
                    CliError::failed(
                        what,
                        error,
                        "check that it is executable, or choose another with --python",
                    )
                },
            )?;
        Ok(Launched { child, name: name.to_string_lossy().into_owned() })
    }

    /// WaitReporter until the process has a Python. It may first be another program, for any time.
    pub(super) fn python(&mut self, quiet: bool, stop: &AtomicBool) -> Result<Python, CliError> {
        let begin = Instant::now();
        let (mut arrival, mut waits) = (Arrival::new(self.child.id()), WaitReporter::new(quiet));
        loop {
            match arrival.poll() {
                Ok(Some(python)) => return Ok(python),
                Ok(None) => {}
                Err(error) => return Err(self.explain(error)),
            }
            if stop.load(Ordering::Relaxed) {
                return Err(CliError::failed(
                    format!("{} was not profiled", self.name),
                    "ungil was stopped before Python started in the program",
                    "let it run longer",
                ));
            }
            if let Some((_, program)) = arrival.program() {
                waits.notify(&program.display().to_string(), begin.elapsed());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Returns whether it has not ended.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Explains why it could not be profiled: usually it has ended.
    fn explain(&mut self, error: AttachError) -> CliError {
        match self.child.try_wait() {
            Ok(Some(status)) => CliError::failed(
                format!("{} ended before it could be profiled", self.name),
                status,
                "run it without ungil to see why; a program of a few milliseconds is too short to profile",
            ),
            _ => CliError::from(error),
        }
    }

    /// WaitReporter for its end; terminates it when `stop` is or becomes true.
    pub(super) fn end(mut self, stop: &AtomicBool) -> Option<ExitStatus> {
        while !stop.load(Ordering::Relaxed) {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                ended => return ended.ok().flatten(),
            }
        }
        self.stop()
    }

    /// Sends SIGTERM, and SIGKILL if it does not end in time.
    fn stop(&mut self) -> Option<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)?;
        let begin = Instant::now();
        // Ctrl-C in a terminal has reached it as well; a second signal is harmless.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        while begin.elapsed() < GRACE_PERIOD {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

/// Reports waiting for a Python, once for each program.
pub(super) struct WaitReporter {
    quiet: bool,
    reported: Option<String>,
}

impl WaitReporter {
    pub(super) fn new(quiet: bool) -> WaitReporter {
        WaitReporter { quiet, reported: None }
    }

    /// Reports a long wait.
    pub(super) fn notify(&mut self, program: &str, since: Duration) {
        if self.quiet || since < MIN_REPORTED_WAIT || self.reported.as_deref() == Some(program) {
            return;
        }
        let name = sanitize(program);
        eprintln!(
            "note: the process now runs {name}; waiting until Python starts in it or it ends (Ctrl-C stops)"
        );
        self.reported = Some(program.into());
    }
}

/// Returns the module or script to start, and whether it is a module.
pub(super) fn named(args: &Profile) -> Result<(OsString, bool), CliError> {
    match (&args.module, &args.target) {
        (Some(module), _) => Ok((module.clone(), true)),
        (None, Some(script)) if Path::new(script).exists() => Ok((script.clone(), false)),
        (None, Some(script)) => Err(CliError::usage(
            format!("file {} does not exist", script.to_string_lossy()),
            "the target must be a PID or a Python script",
            "check the path; use -m to start a module",
        )),
        (None, None) => Err(CliError::usage(
            "nothing to profile",
            "no process, script or module was given",
            "give a PID, a script or -m MODULE; see ungil profile --help for examples",
        )),
    }
}

/// Returns the requested interpreter; otherwise `python3` if it is supported, otherwise the newest
/// supported one.
pub(super) fn python(asked: Option<&str>) -> Result<Interpreter, CliError> {
    let search = Search::from_env();
    let is_known = |python: &Interpreter| {
        python.implementation == Implementation::CPython
            && (python.version.major, python.version.minor)
                >= (3, if python.free_threaded { 14 } else { 13 })
    };
    if let Some(asked) = asked {
        let python = resolve(asked, &search)?;
        if is_known(&python) {
            return Ok(python);
        }
        return Err(CliError::usage(
            format!("{} cannot be profiled", python.name),
            "profiling needs CPython 3.13 or later, free-threaded 3.14 or later",
            "choose another with --python; ungil pythons lists them",
        ));
    }
    if let Ok(python) = resolve("python3", &search)
        && is_known(&python)
    {
        return Ok(python);
    }
    let mut found: Vec<Interpreter> = find(&search).into_iter().filter(is_known).collect();
    found.sort_by_key(|python| {
        (python.version.is_final(), !python.free_threaded, python.version.clone())
    });
    found.pop().ok_or_else(|| {
        CliError::usage(
            "no Python that can be profiled was found",
            "profiling needs CPython 3.13 or later",
            "run ungil pythons install 3.14, or choose one with --python",
        )
    })
}
