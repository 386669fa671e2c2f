//! A program that is started to be profiled: its terminal is ours and its Python is the one asked
//! for. It runs to its own end, whatever becomes of the profile, unless ungil is told to end.

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

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Interval between two checks of whether it has ended and whether it has a Python.
const NAP: Duration = Duration::from_millis(2);
/// A wait for a Python that is longer than this is spoken of.
const LONG: Duration = Duration::from_secs(1);

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
            return Err(no_gil(format!("{} is free-threaded and its GIL is off", python.name)));
        }
        let child =
            Command::new(&python.executable).args(&arguments).args(&args.args).spawn().map_err(
                |error| {
                    let what = format!("cannot start {}", python.executable.display());
                    CliError::failed(
                        what,
                        error,
                        "check that it is a program you may run, or name another with --python",
                    )
                },
            )?;
        Ok(Launched { child, name: name.to_string_lossy().into_owned() })
    }

    /// Waits until it has a Python. It may first be another program, for as long as it likes.
    pub(super) fn python(&mut self, quiet: bool, told: &AtomicBool) -> Result<Python, CliError> {
        let begin = Instant::now();
        let (mut arrival, mut waits) = (Arrival::new(self.child.id()), Waits::new(quiet));
        loop {
            match arrival.poll() {
                Ok(Some(python)) => return Ok(python),
                Ok(None) => {}
                Err(error) => return Err(self.explain(error)),
            }
            if told.load(Ordering::Relaxed) {
                return Err(CliError::failed(
                    format!("{} was not profiled", self.name),
                    "ungil was told to end before the program had a Python to look at",
                    "let it run for longer",
                ));
            }
            if let Some((_, program)) = arrival.program() {
                waits.tell(&program.display().to_string(), begin.elapsed());
            }
            std::thread::sleep(NAP);
        }
    }

    /// Returns whether it has not ended.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Why it could not be looked at: most often it has ended.
    fn explain(&mut self, error: AttachError) -> CliError {
        match self.child.try_wait() {
            Ok(Some(status)) => CliError::failed(
                format!("{} ended before it could be looked at", self.name),
                status,
                "run it alone to see why; a program of some milliseconds is too short to profile",
            ),
            _ => CliError::from(error),
        }
    }

    /// Waits for its end; asks it to end when `told` is or becomes true.
    pub(super) fn end(mut self, told: &AtomicBool) -> Option<ExitStatus> {
        while !told.load(Ordering::Relaxed) {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                ended => return ended.ok().flatten(),
            }
        }
        self.stop()
    }

    /// Asks it to end, and ends it if it does not.
    fn stop(&mut self) -> Option<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)?;
        let begin = Instant::now();
        // Ctrl-C in a terminal has reached it as well; a second request does no harm.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        while begin.elapsed() < GRACE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

/// Says once of each program that it is waited for.
pub(super) struct Waits {
    quiet: bool,
    told: Option<String>,
}

impl Waits {
    pub(super) fn new(quiet: bool) -> Waits {
        Waits { quiet, told: None }
    }

    /// Tells of a wait that lasts.
    pub(super) fn tell(&mut self, program: &str, since: Duration) {
        if self.quiet || since < LONG || self.told.as_deref() == Some(program) {
            return;
        }
        let name = sanitize(program);
        eprintln!(
            "note: the process runs {name} now; waiting for a Python in it or for its end, Ctrl-C ends the wait"
        );
        self.told = Some(program.into());
    }
}

/// The module or script to start, and whether it is a module.
pub(super) fn named(args: &Profile) -> Result<(OsString, bool), CliError> {
    match (&args.module, &args.target) {
        (Some(module), _) => Ok((module.clone(), true)),
        (None, Some(script)) if Path::new(script).exists() => Ok((script.clone(), false)),
        (None, Some(script)) => Err(CliError::usage(
            format!("there is no file {}", script.to_string_lossy()),
            "a target is the number of a process or a Python script",
            "check the path; a module is started with -m",
        )),
        (None, None) => Err(CliError::usage(
            "there is nothing to profile",
            "no process, script or module was given",
            "give a PID, a script or -m MODULE; ungil profile --help shows examples",
        )),
    }
}

/// The interpreter asked for; otherwise `python3` if it can be read, otherwise the newest that can.
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
            "CPython 3.13 and later can, free-threaded from 3.14 on",
            "name another with --python; ungil pythons lists them",
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
            "there is no Python that can be profiled",
            "CPython 3.13 and later can, and none was found",
            "ungil pythons install 3.14 gets one, --python names one",
        )
    })
}
