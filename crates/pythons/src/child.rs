//! Runs a program that may be anything, and never waits or reads for longer than it was told to.
//!
//! A file called python3 may be a script that asks a question, a shim that starts a daemon, or
//! `yes`. So the child gets a process group of its own, all of which is killed at the end whatever
//! happened; its output is read only up to a limit; and the clock runs over the reading too, since
//! a grandchild can keep the pipe open when the child is gone.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// More than any probe prints (its flags are some hundred bytes), less than would hurt.
pub(crate) const OUTPUT_LIMIT: usize = 256 * 1024;

/// What became of the child.
pub(crate) enum Outcome {
    /// It ended by itself.
    Ended { status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8> },
    /// It was stopped: it printed more than [`OUTPUT_LIMIT`].
    TooMuch,
    /// It was stopped: it, or something it left behind that holds its output, outlived the limit.
    TimedOut,
}

/// Runs it to its end, or to the end of `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    use std::os::unix::process::CommandExt;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let deadline = Instant::now() + limit;
    let mut group = Group(spawn(command)?);
    let (tell, told) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        group.0.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
        group.0.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
    ];
    for (which, stream) in streams.into_iter().enumerate() {
        let (tell, Some(stream)) = (tell.clone(), stream) else { continue };
        // Not scoped: where something keeps the pipe open, the thread is left behind with it.
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let result = stream.take(OUTPUT_LIMIT as u64 + 1).read_to_end(&mut bytes);
            let _ = tell.send((which, result.map(|_| bytes)));
        });
    }
    drop(tell);
    let mut output = [Vec::new(), Vec::new()];
    let (mut status, mut open, mut pause) = (None, 2, Duration::from_micros(500));
    while open > 0 || status.is_none() {
        if status.is_none() {
            status = group.0.try_wait()?;
            if status.is_some() {
                group.kill(); // whatever it left behind would keep the pipes open
            }
        }
        match told.recv_timeout(pause) {
            Ok((which, bytes)) => {
                output[which] = bytes?;
                open -= 1;
                if output[which].len() > OUTPUT_LIMIT {
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

/// A script that another thread has just written may still be open for writing in a child forked in
/// between; that passes in moments, and is no reason to call the script broken.
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

/// A child and its process group; both are gone when this is dropped.
struct Group(Child);

impl Group {
    fn kill(&self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL); // nobody left in it: nothing to do
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The last line that says anything, cut to what a message can carry.
pub(crate) fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    excerpt(line)
}

/// The beginning of a text as one printable line.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 160;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.trim().char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", &clean.trim()[..cut]),
        None => clean.trim().to_owned(),
    }
}
