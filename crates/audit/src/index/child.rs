//! Runs a child process with a timeout and bounded output, and kills everything it started.

use super::IndexError;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Maximum number of output bytes that are read.
const MAX_OUTPUT_BYTES: u64 = 64 << 20;

/// Interval of the cancellation check.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long to wait for an answer.
#[derive(Clone, Copy)]
pub struct WaitLimit<'a> {
    /// Timeout.
    pub timeout: Duration,
    /// Returns whether to stop now.
    pub is_cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl WaitLimit<'_> {
    /// Receives a value from a channel.
    fn receive<T>(&self, channel: &mpsc::Receiver<T>, ends: Instant) -> Result<T, IndexError> {
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            match channel.recv_timeout(left.min(POLL_INTERVAL)) {
                Ok(value) => return Ok(value),
                Err(_) if (self.is_cancelled)() => return Err(IndexError::Interrupted),
                Err(mpsc::RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(_) => return Err(IndexError::Timeout(self.timeout)),
            }
        }
    }
}

/// Kills the process group on drop.
struct ProcessGroup(Child);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL); // fails if the group is empty
        }
        let _ = self.0.wait();
    }
}

/// Runs a command to its end, and returns its standard output.
pub(super) fn run(
    mut command: impl std::borrow::BorrowMut<Command>,
    input: Option<File>,
    wait: WaitLimit,
) -> Result<String, IndexError> {
    let command = command.borrow_mut();
    let program = PathBuf::from(command.get_program());
    let timeout = wait.timeout;
    let ends = Instant::now() + timeout;
    command
        .stdin(input.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child =
        command.process_group(0).spawn().map_err(|why| IndexError::Start { program, why })?;
    let mut group = ProcessGroup(child);
    let output = reader(group.0.stdout.take());
    let errors = reader(group.0.stderr.take());
    let left = || ends.saturating_duration_since(Instant::now());
    let output = wait.receive(&output, ends)?;
    let errors = wait.receive(&errors, ends)?;
    // Both pipes are closed, so it has ended or closed them itself: poll for a short time.
    let status = loop {
        match group.0.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if left().is_zero() => return Err(IndexError::Timeout(timeout)),
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(IndexError::Unparsable(error.to_string())),
        }
    };
    if status.success() {
        return Ok(output);
    }
    let message: Vec<&str> =
        errors.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = message.len().saturating_sub(6);
    let message = message.get(from..).unwrap_or_default().join("; ");
    Err(IndexError::Failed(if message.is_empty() { status.to_string() } else { message }))
}

/// Reads a pipe to its end on a thread, so that neither pipe fills up while the other is read.
fn reader(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
            // A full pipe would block the child.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}
