//! Runs an untrusted program with limits on its time and output.
//!
//! A file called `python3` may be a script that waits for input, a shim that starts a daemon, or
//! `yes`. So the child gets its own process group, which is always killed at the end; its output is
//! read only up to a limit; and the time limit includes reading, because a grandchild can keep the
//! pipe open after the child has ended.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Maximum size of a program's output in bytes; the probe prints less than a kilobyte.
pub(crate) const MAX_OUTPUT: usize = 256 * 1024;

/// How a child ended.
pub(crate) enum Outcome {
    /// It exited or was ended by a signal of its own.
    Ended { status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8> },
    /// It was killed because it printed more than [`MAX_OUTPUT`].
    TooMuch,
    /// It was killed because it, or a process that holds its output open, exceeded the time limit.
    TimedOut,
}

/// Runs a command until it ends, or for at most `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    use std::os::unix::process::CommandExt;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let deadline = Instant::now() + limit;
    let mut group = ChildGroup(spawn(command)?);
    let (sender, receiver) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        group.0.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
        group.0.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
    ];
    for (which, stream) in streams.into_iter().enumerate() {
        let (sender, Some(stream)) = (sender.clone(), stream) else { continue };
        // Not a scoped thread: if some process keeps the pipe open, this thread is abandoned.
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let result = stream.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut bytes);
            let _ = sender.send((which, result.map(|_| bytes)));
        });
    }
    drop(sender);
    let mut output = [Vec::new(), Vec::new()];
    let (mut status, mut open, mut pause) = (None, 2, Duration::from_micros(500));
    while open > 0 || status.is_none() {
        if status.is_none() {
            status = group.0.try_wait()?;
            if status.is_some() {
                group.kill(); // its remaining processes would keep the pipes open
            }
        }
        match receiver.recv_timeout(pause) {
            Ok((which, bytes)) => {
                output[which] = bytes?;
                open -= 1;
                if output[which].len() > MAX_OUTPUT {
                    return Ok(Outcome::TooMuch);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(pause),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= deadline && (open > 0 || status.is_none()) {
            return Ok(Outcome::TimedOut);
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    let [stdout, stderr] = output;
    match status {
        Some(status) => Ok(Outcome::Ended { status, stdout, stderr }),
        None => Ok(Outcome::TimedOut),
    }
}

/// Spawns a command; retries on ETXTBSY. A script that another thread has just written may briefly
/// stay open for writing in a child that was forked in between.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..50 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
    command.spawn()
}

/// A child and its process group, killed on drop.
struct ChildGroup(Child);

impl ChildGroup {
    fn kill(&self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL); // fails if the group is empty
        }
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the last line that is not blank, shortened for an error message.
pub(crate) fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    excerpt(line)
}

/// Returns the beginning of a text as one printable line.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 160;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.trim().char_indices().nth(MAX_CHARS) {
        Some((cut, _)) => format!("{}...", &clean.trim()[..cut]),
        None => clean.trim().to_owned(),
    }
}
