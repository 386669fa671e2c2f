//! Runs a shell command in its own process group and timestamps its lines as they arrive.
//!
//! The group makes it possible to end the command: `sh -c 'a | b'` is three processes, which must
//! all exit with the sensor. The shell is not reaped before that, so its process id, which is the
//! group's id, cannot be reused. If this program is killed, the command gets a closed pipe at its
//! next line.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum length of a line. A longer one is split into pieces of this size, which are not valid
/// readings.
const MAX_LINE: u64 = 1024;

/// Time that an exited command has to leave a status and its last output, and that a running one
/// has to exit when asked to.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// An event of the command.
pub(super) enum CommandEvent<'a> {
    /// Printed a line, passed without the line end.
    Line(&'a [u8]),
    /// Closed its output: how it exited, and its last line of standard error.
    Ended(String),
}

/// A running command, which is ended on drop.
pub(super) struct Command {
    child: Child,
}

impl Command {
    /// Starts `/bin/sh -c command`. `sink` is called on a separate thread with each line, and at
    /// last with the end, together with the time it happened.
    pub(super) fn start(
        command: &str,
        mut sink: impl FnMut(Instant, CommandEvent<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let mut child = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let this = Self { child };
        let last_error = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&last_error);
        let errors = thread::Builder::new().name("meter-errors".to_owned()).spawn(move || {
            lines(err, |line| {
                let line = String::from_utf8_lossy(line).trim().to_owned();
                if !line.is_empty() {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            });
        })?;
        let pid = this.pid();
        thread::Builder::new().name("meter".to_owned()).spawn(move || {
            lines(out, |line| sink(Instant::now(), CommandEvent::Line(line)));
            let at = Instant::now();
            let how = poll_until(EXIT_TIMEOUT, || pid.and_then(status))
                .unwrap_or_else(|| "it closed its output".to_owned());
            let _ = poll_until(EXIT_TIMEOUT, || errors.is_finished().then_some(()));
            let line = last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let stderr = if line.is_empty() { line } else { format!("; standard error: {line}") };
            sink(at, CommandEvent::Ended(format!("{how}{stderr}")));
        })?;
        Ok(this)
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // SIGTERM first, so that a meter can reset its device.
            let _ = kill_process_group(pid, Signal::TERM);
            let _ = poll_until(EXIT_TIMEOUT, || status(pid));
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Calls `each` for every line of `from` until its end.
fn lines(from: Option<impl Read>, mut each: impl FnMut(&[u8])) {
    let Some(from) = from else { return };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => each(line.strip_suffix(b"\n").unwrap_or(&line)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Returns how an unreaped child exited, and leaves it unreaped; `None` while it runs.
fn status(pid: Pid) -> Option<String> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid), options).ok()??;
    Some(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("it exited with status {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it exited".to_owned(),
    })
}

/// Calls `ask` repeatedly until it returns a value or `time` has passed.
fn poll_until<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + time;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= until {
            return answer;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
