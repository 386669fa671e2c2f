//! Starts a program and profiles its allocations.

use super::decode::decode;
use super::table::SharedTable;
use super::{AllocError, Allocations, LIBRARY};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;
use ungil_hook::wire::{head, state};

/// The script that is run instead of the program, and runs it.
const RUNNER: &str = include_str!("../../py/alloc_start.py");
/// Interval of checking whether the child has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A program to start.
#[derive(Debug, Clone)]
pub struct LaunchRequest {
    /// The interpreter.
    pub python: PathBuf,
    /// A script's path, or a module's name if `module`.
    pub target: OsString,
    /// Whether it is run as `python -m`.
    pub module: bool,
    /// The program's arguments.
    pub arguments: Vec<OsString>,
    /// Mean number of bytes between two samples; 1 samples every block.
    pub every: u64,
    /// Whether its output goes to standard error, so that standard output has only the report.
    pub stdout_to_stderr: bool,
}

/// Runs a program to its end; returns what it allocated and how it ended. `signals` is polled for a
/// signal to forward to the program.
///
/// # Errors
/// The interpreter does not start, or its allocations cannot be profiled. Once profiling has begun
/// there is always a profile, however the program ends.
pub fn launch(
    request: &LaunchRequest,
    mut signals: impl FnMut() -> Option<i32>,
) -> Result<(Allocations, ExitStatus), AllocError> {
    let dir =
        tempfile::Builder::new().prefix("ungil-alloc-").tempdir().map_err(AllocError::Prepare)?;
    let (library, runner) = (dir.path().join("ungil_hook.so"), dir.path().join("alloc_start.py"));
    fs::write(&library, LIBRARY)
        .and_then(|()| fs::write(&runner, RUNNER))
        .map_err(AllocError::Prepare)?;
    let table = SharedTable::inherited(request.every).map_err(AllocError::Prepare)?;
    let descriptor = table.descriptor().to_string();

    let mut command = Command::new(&request.python);
    command.arg(&runner).arg(&library).arg(format!("/proc/self/fd/{descriptor}")).arg(&descriptor);
    command
        .arg(if request.module { "module" } else { "script" })
        .arg(&request.target)
        .args(&request.arguments);
    if request.stdout_to_stderr {
        let errors = io::stderr().as_fd().try_clone_to_owned().map_err(AllocError::Prepare)?;
        command.stdout(errors);
    }
    let program = request.python.display().to_string();
    let mut child = command.spawn().map_err(|source| AllocError::Start { program, source })?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let status = loop {
        match child.try_wait().map_err(AllocError::Read)? {
            Some(status) => break status,
            None => std::thread::sleep(POLL_INTERVAL),
        }
        if let (Some(signal), Some(pid)) = (signals().and_then(Signal::from_named_raw), pid) {
            // The program may have ended already.
            let _ = kill_process(pid, signal);
        }
    };
    match table.get(head::STATE) {
        state::REFUSED => return Err(AllocError::Refused(table.get(head::REFUSAL))),
        state::PREPARED => return Err(AllocError::Early { status }),
        _ => {}
    }
    let image = table.read().map_err(AllocError::Read)?;
    Ok((decode(&image, &runner.to_string_lossy()), status))
}
