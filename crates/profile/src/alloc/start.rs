//! A program started under the profile.

use super::decode::decode;
use super::table::Table;
use super::{Allocations, Error, LIBRARY};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;
use ungil_hook::wire::{head, state};

/// What runs first, in the program's place.
const RUNNER: &str = include_str!("../../py/alloc_start.py");
/// How often the child is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A program to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The interpreter.
    pub python: PathBuf,
    /// A script's path, or with `module` a module's name.
    pub target: OsString,
    /// Whether it is run as `python -m`.
    pub module: bool,
    /// The program's arguments.
    pub arguments: Vec<OsString>,
    /// Mean number of bytes between two samples; 1 samples every block.
    pub every: u64,
    /// Whether what it prints goes to standard error, so that standard output is left to the
    /// report.
    pub apart: bool,
}

/// Runs a program to its end, and says what it allocated and how it ended. `signals` is asked now
/// and then for the number of a signal to hand on to the program.
///
/// # Errors
/// The interpreter does not start, or its allocations cannot be watched. Once they are, there is
/// always a profile, however the program ends.
pub fn launch(
    what: &Launch,
    mut signals: impl FnMut() -> Option<i32>,
) -> Result<(Allocations, ExitStatus), Error> {
    let dir = tempfile::Builder::new().prefix("ungil-alloc-").tempdir().map_err(Error::Prepare)?;
    let (library, runner) = (dir.path().join("ungil_hook.so"), dir.path().join("alloc_start.py"));
    fs::write(&library, LIBRARY)
        .and_then(|()| fs::write(&runner, RUNNER))
        .map_err(Error::Prepare)?;
    let table = Table::inherited(what.every).map_err(Error::Prepare)?;
    let descriptor = table.descriptor().to_string();

    let mut command = Command::new(&what.python);
    command.arg(&runner).arg(&library).arg(format!("/proc/self/fd/{descriptor}")).arg(&descriptor);
    command
        .arg(if what.module { "module" } else { "script" })
        .arg(&what.target)
        .args(&what.arguments);
    if what.apart {
        let errors = io::stderr().as_fd().try_clone_to_owned().map_err(Error::Prepare)?;
        command.stdout(errors);
    }
    let program = what.python.display().to_string();
    let mut child = command.spawn().map_err(|source| Error::Start { program, source })?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let status = loop {
        match child.try_wait().map_err(Error::Read)? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
        if let (Some(signal), Some(pid)) = (signals().and_then(Signal::from_named_raw), pid) {
            // It may have ended since; then there is nobody to tell.
            let _ = kill_process(pid, signal);
        }
    };
    match table.get(head::STATE) {
        state::REFUSED => return Err(Error::Refused(table.get(head::REFUSAL))),
        state::PREPARED => return Err(Error::Early { status }),
        _ => {}
    }
    let image = table.read().map_err(Error::Read)?;
    Ok((decode(&image, &runner.to_string_lossy()), status))
}
