//! Runs `ungil` and collects its exit code, output and record.

use crate::{HANG_TIMEOUT, Record, binary, eventually};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command line of `ungil`.
#[derive(Debug)]
pub struct Ungil {
    dir: PathBuf,
    command: Command,
}

impl Ungil {
    /// Prepares `ungil` in `dir`, without the environment variables that influence Python or ungil.
    pub fn new(dir: &Path) -> Ungil {
        let mut command = Command::new(binary());
        command.current_dir(dir);
        for name in [
            "PYTHONPATH",
            "PYTHON_GIL",
            "PYTHONHASHSEED",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONPYCACHEPREFIX",
            "UNGIL_PHASE",
            "UNGIL_WORKERS",
            "UNGIL_ARM",
            "COLUMNS",
        ] {
            command.env_remove(name);
        }
        // Limits the search for interpreters to `$UNGIL_PYTHONS`, `$PATH` and Debian's, so that the
        // machine's other interpreters do not matter.
        for name in ["UNGIL_HOME", "XDG_DATA_HOME", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "HOME"] {
            command.env(name, dir.join("nothing-here"));
        }
        Ungil { dir: dir.into(), command }
    }

    /// Adds arguments.
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Ungil {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Ungil {
        self.command.env(name, value);
        self
    }

    /// Returns the command, for a test that starts it itself.
    pub fn command(self) -> Command {
        self.command
    }

    /// Starts the program. Its output goes to files, so that it never blocks on a full pipe.
    pub fn start(mut self) -> Running {
        let [out, err] =
            [(); 2].map(|()| tempfile::NamedTempFile::new().expect("a file for output"));
        self.command.stdin(Stdio::null());
        self.command
            .stdout(out.reopen().expect("reopened"))
            .stderr(err.reopen().expect("reopened"));
        let child = self.command.spawn().expect("ungil starts");
        Running { dir: self.dir, child, out, err }
    }

    /// Runs the program to its end.
    pub fn run(self) -> Out {
        self.start().wait()
    }
}

/// A running `ungil`, killed on drop.
#[derive(Debug)]
pub struct Running {
    dir: PathBuf,
    child: Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
}

impl Running {
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Returns whether the process has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of this process").is_some()
    }

    /// Polls until `poll` returns a value. Fails if the program ends first, or after
    /// [`HANG_TIMEOUT`].
    pub fn until<T>(&mut self, what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + HANG_TIMEOUT;
        loop {
            if let Some(found) = poll() {
                return found;
            }
            let stderr = || fs::read_to_string(self.err.path()).unwrap_or_default();
            assert!(
                !self.child.try_wait().is_ok_and(|s| s.is_some()),
                "ungil ended before {what}: {}",
                stderr()
            );
            assert!(Instant::now() < deadline, "timed out: {what}: {}", stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal with `kill -NAME`.
    pub fn signal(&self, name: &str) {
        let done =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(done.is_ok_and(|s| s.success()), "kill -{name}");
    }

    /// Waits until the process has ended.
    pub fn wait(mut self) -> Out {
        let mut ended = None;
        eventually("ungil's end", || {
            ended = self.child.try_wait().expect("a child of this process");
            ended.is_some()
        });
        let status = ended.expect("its status");
        let text = |file: &tempfile::NamedTempFile| {
            String::from_utf8_lossy(&fs::read(file.path()).expect("its output")).into_owned()
        };
        Out {
            dir: self.dir.clone(),
            code: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout: text(&self.out),
            stderr: text(&self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The outcome of a finished `ungil`.
#[derive(Debug)]
pub struct Out {
    dir: PathBuf,
    /// Exit code, or the negative signal number.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The three lines of an error message.
#[derive(Debug)]
pub struct ErrorMessage {
    /// Line 1: what happened.
    pub what: String,
    /// Line 2: why.
    pub why: String,
    /// Line 3: what to do about it.
    pub help: String,
}

impl Out {
    /// Asserts that the exit code is 0.
    #[track_caller]
    pub fn ok(self) -> Out {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the exit code is `code` and that standard error is one error message of three
    /// lines, optionally preceded by notes.
    #[track_caller]
    pub fn expect_error(&self, code: i32) -> ErrorMessage {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        let lines: Vec<&str> = self.stderr.lines().filter(|l| !l.starts_with("note: ")).collect();
        let [what, why, help] = lines[..] else { panic!("not three lines:\n{}", self.stderr) };
        let part = |line: &str, head: &str| {
            let rest = line
                .strip_prefix(head)
                .unwrap_or_else(|| panic!("no '{head}' in:\n{}", self.stderr));
            assert!(!rest.trim().is_empty(), "nothing after '{head}':\n{}", self.stderr);
            rest.to_string()
        };
        ErrorMessage {
            what: part(what, "ungil: "),
            why: part(why, "  why: "),
            help: part(help, "  try: "),
        }
    }

    /// Reads the record that standard output names.
    pub fn record(&self) -> Record {
        let line = self.stdout.lines().find_map(|l| l.strip_prefix("Record: "));
        Record::read(&self.dir.join(line.expect("the record's path on standard output")))
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in:\n{}", self.stdout))
    }
}
