//! A command of the shell in a process group of its own, its lines stamped as they arrive.
//!
//! The group is what makes an end possible: `sh -c 'a | b'` is three processes, and all must be
//! gone when the sensor is. The shell is not reaped before that, so its number, which is the
//! group's, cannot come to mean somebody else's. Should this program itself be killed, the command
//! meets a closed pipe at its next line.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest line; a longer one arrives in pieces of this size, which no meter's reading is.
const LONGEST: u64 = 1024;

/// How long an ended command has to leave a status and last words, and a running one to end when
/// asked.
const GRACE: Duration = Duration::from_millis(300);

/// What a command does.
pub(super) enum Event<'a> {
    /// It printed a line, here without its end.
    Line(&'a [u8]),
    /// It closed its output: how it ended and its last words.
    Ended(String),
}

/// The running command; ends with this value.
pub(super) struct Command {
    child: Child,
}

impl Command {
    /// Starts `/bin/sh -c command`. `sink` is called from a thread of its own, once a line, at last
    /// with its end, and with the moment it happened.
    pub(super) fn start(
        command: &str,
        mut sink: impl FnMut(Instant, Event<'_>) + Send + 'static,
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
        let words = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&words);
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
            lines(out, |line| sink(Instant::now(), Event::Line(line)));
            let at = Instant::now();
            let how = within(GRACE, || pid.and_then(status))
                .unwrap_or_else(|| "it closed its output".to_owned());
            let _ = within(GRACE, || errors.is_finished().then_some(()));
            let words = words.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
            sink(at, Event::Ended(format!("{how}{said}")));
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
            // First the polite way, for a meter that has a device to leave in order.
            let _ = kill_process_group(pid, Signal::TERM);
            let _ = within(GRACE, || status(pid));
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
        match from.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => each(line.strip_suffix(b"\n").unwrap_or(&line)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// How a child that is not yet reaped ended; it stays unreaped. `None` while it runs.
fn status(pid: Pid) -> Option<String> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid), options).ok()??;
    Some(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    })
}

/// Asks again until there is an answer or `time` is up.
fn within<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + time;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= until {
            return answer;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
