//! Python programs for the tests to inspect.
//!
//! [`Debuggee`] is any program that creates a file when it is ready. [`TruthfulDebuggee`] also
//! describes its own threads, so that a test can compare every detail of a dump.

use crate::{HANG_TIMEOUT, Out, TestDir, Ungil, eventually, python};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

/// Returns the folder `tests/debuggees`.
pub fn debuggees_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("debuggees")
}

/// Files in [`debuggees_dir`] that are not debuggees with a ground truth: shared modules, and a
/// program that has its own tests in dump_robust.rs.
const OTHER_PROGRAMS: [&str; 3] = ["look", "tasks", "ordered"];

/// Returns the names of the debuggees with a ground truth except `ordered`, in alphabetical order.
pub fn debuggee_names() -> Vec<String> {
    let files = std::fs::read_dir(debuggees_dir()).expect("the folder of debuggees").flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".py")?.to_string()))
        .filter(|name| !OTHER_PROGRAMS.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// A running program, killed on drop.
#[derive(Debug)]
pub struct Debuggee(Child);

impl Debuggee {
    /// Starts `tests/debuggees/SCRIPT CASE` in `dir` and waits until it has created the file
    /// `ready` there.
    pub fn start(dir: &TestDir, build: &str, script: &str, case: &str) -> Debuggee {
        let mut command = Command::new(python(build));
        command.arg(debuggees_dir().join(script)).arg(case);
        Debuggee::spawn(dir, command)
    }

    /// Starts a command in `dir` and waits until it has created the file `ready` there.
    pub fn spawn(dir: &TestDir, mut command: Command) -> Debuggee {
        let debuggee =
            Debuggee(command.current_dir(dir.path()).spawn().expect("the debuggee starts"));
        eventually("the debuggee is ready", || dir.read("ready").is_some());
        debuggee
    }

    /// Returns the process id as an argument.
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Debuggee {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A debuggee of `tests/debuggees` that prints the ground truth about its threads as one line of
/// JSON, and then keeps its state until its standard input is closed.
#[derive(Debug)]
pub struct TruthfulDebuggee {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout_lines: mpsc::Receiver<String>,
    started: Instant,
    /// Ground truth: `pid`, `threads`, `deadlocks` and more. `tests/debuggees/look.py` defines it.
    pub truth: Value,
}

impl TruthfulDebuggee {
    /// Starts `tests/debuggees/NAME.py` on one of [`crate::BUILDS`] with options for the
    /// interpreter, and waits for the ground truth.
    #[track_caller]
    pub fn start(build: &str, options: &[&str], name: &str) -> TruthfulDebuggee {
        let mut command = Command::new(python(build));
        command.args(options).arg(debuggees_dir().join(format!("{name}.py")));
        TruthfulDebuggee::spawn(command)
    }

    /// Starts a command that prints the ground truth as its first line.
    #[track_caller]
    pub fn spawn(mut command: Command) -> TruthfulDebuggee {
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
        let mut child = command.spawn().expect("the debuggee starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, stdout_lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut debuggee =
            TruthfulDebuggee { child, stdin, stdout_lines, started, truth: Value::Null };
        let line = debuggee
            .next_line()
            .unwrap_or_else(|| panic!("{command:?} printed nothing: {}", debuggee.stderr()));
        debuggee.truth = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in {line}"));
        if let Some(teller) = debuggee.truth["teller"].as_i64() {
            // The ground truth holds once the thread that printed it blocks in read(0, ...).
            let call = format!("/proc/{}/task/{teller}/syscall", debuggee.pid());
            let reads = |text: String| {
                text.split(' ').nth(1) == Some("0x0") && !text.starts_with("running")
            };
            eventually("the reporting thread reads standard input", || {
                std::fs::read_to_string(&call).is_ok_and(reads)
            });
        }
        debuggee
    }

    /// Returns the next line of standard output; `None` at its end, or after [`HANG_TIMEOUT`].
    pub fn next_line(&self) -> Option<String> {
        self.stdout_lines.recv_timeout(HANG_TIMEOUT).ok()
    }

    /// Returns the id of the process to inspect: the started process, or a child of it.
    pub fn pid(&self) -> i64 {
        self.truth["pid"].as_i64().expect("a pid")
    }

    /// Returns the seconds since the start, an upper bound for the duration of every wait.
    pub fn age(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Runs `ungil dump PID --json` with more arguments.
    pub fn dump<S: Into<OsString>>(&self, more: impl IntoIterator<Item = S>) -> Out {
        let args = ["dump".into(), self.pid().to_string(), "--json".into()];
        Ungil::new(&debuggees_dir()).args(args).args(more).run()
    }

    /// Returns whether the started process still runs.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// Closes standard input, which ends the debuggee.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes standard input and waits until the process ends by itself.
    pub fn end(mut self) -> ExitStatus {
        self.close_stdin();
        eventually("the debuggee ends", || !self.alive());
        self.child.wait().expect("the exit status")
    }

    /// Kills the process and returns its standard error.
    fn stderr(&mut self) -> String {
        self.close_stdin();
        let _ = self.child.kill();
        let mut text = String::new();
        let _ = self.child.stderr.take().map(|mut e| e.read_to_string(&mut text));
        text
    }
}

impl Drop for TruthfulDebuggee {
    fn drop(&mut self) {
        self.close_stdin();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
