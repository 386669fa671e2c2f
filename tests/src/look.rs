//! A Python program of `tests/debuggees` under the eyes of `ungil dump`: started, heard out, looked
//! at, ended.

use crate::{HANG, Out, Ungil, eventually, python};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

/// The folder of the programs.
pub fn looks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("debuggees")
}

/// A program that has reached its state, told the truth about it, and stays in it.
#[derive(Debug)]
pub struct Target {
    child: Child,
    stdin: Option<ChildStdin>,
    said: mpsc::Receiver<String>,
    started: Instant,
    /// What it said of itself: `pid`, `threads`, `deadlocks` and more, as `tests/debuggees/look.py`
    /// has them.
    pub truth: Value,
}

impl Target {
    /// Starts `tests/debuggees/NAME.py` on one of [`crate::BUILDS`] with interpreter's options, and
    /// waits for its truth.
    #[track_caller]
    pub fn start(build: &str, options: &[&str], name: &str) -> Target {
        let mut command = Command::new(python(build));
        command.args(options).arg(looks().join(format!("{name}.py")));
        Target::of(command)
    }

    /// Starts a command that says its truth in its first line.
    #[track_caller]
    pub fn of(mut command: Command) -> Target {
        for name in
            ["PYTHONPATH", "PYTHON_GIL", "PYTHONSTARTUP", "PYTHONTHREADDEBUG", "PYTHONASYNCIODEBUG"]
        {
            command.env_remove(name);
        }
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONWARNINGS", "ignore")
            .env("PYTHONUTF8", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().expect("the target starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("a pipe");
        let (send, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut target = Target { child, stdin, said, started, truth: Value::Null };
        let line = target
            .line()
            .unwrap_or_else(|| panic!("{command:?} said nothing: {}", target.errors()));
        target.truth = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in {line}"));
        if let Some(teller) = target.truth["teller"].as_i64() {
            // What it says of itself is true once it is back from writing, in read(0, ...).
            let call = format!("/proc/{}/task/{teller}/syscall", target.pid());
            let reads = |text: String| {
                text.split(' ').nth(1) == Some("0x0") && !text.starts_with("running")
            };
            eventually("the teller's stay", || std::fs::read_to_string(&call).is_ok_and(reads));
        }
        target
    }

    /// The next line it says; `None` when it says no more.
    pub fn line(&self) -> Option<String> {
        self.said.recv_timeout(HANG).ok()
    }

    /// The process to look at: itself, or a child of its own.
    pub fn pid(&self) -> i64 {
        self.truth["pid"].as_i64().expect("a pid")
    }

    /// Seconds since it was started: no wait can have lasted longer.
    pub fn age(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// `ungil dump PID --json` and more arguments, in the folder of the programs.
    pub fn look<S: Into<OsString>>(&self, more: impl IntoIterator<Item = S>) -> Out {
        let args = ["dump".into(), self.pid().to_string(), "--json".into()];
        Ungil::new(&looks()).args(args).args(more).run()
    }

    /// Whether it is still there.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// Closes its standard input.
    pub fn release(&mut self) {
        self.stdin = None;
    }

    /// Closes its standard input and waits for its end, which is to be its own.
    pub fn end(mut self) -> ExitStatus {
        self.release();
        eventually("the target's end", || !self.alive());
        self.child.wait().expect("its status")
    }

    fn errors(&mut self) -> String {
        self.release();
        let _ = self.child.kill();
        let mut text = String::new();
        let _ = self.child.stderr.take().map(|mut e| e.read_to_string(&mut text));
        text
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.release();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
