//! One call of the program `ungil`, from its arguments to what it left behind.

use crate::{HANG, Record, binary, eventually};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One call of the program.
#[derive(Debug)]
pub struct Ungil {
    dir: PathBuf,
    command: Command,
}

impl Ungil {
    /// The program in `dir`, with no workload's settings from outside.
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
        // Only $UNGIL_PYTHONS, the search path and Debian: what else this machine has is no matter
        // of the tests.
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

    /// The command itself, for a test that starts it in its own way.
    pub fn command(self) -> Command {
        self.command
    }

    /// Starts it; both outputs go to files, so that nobody need read them.
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

    /// Runs it to its end.
    pub fn run(self) -> Out {
        self.start().wait()
    }
}

/// A call that is under way; ended if the test fails meanwhile.
#[derive(Debug)]
pub struct Running {
    dir: PathBuf,
    child: Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of this process").is_some()
    }

    /// Waits until `there` gives something; fails if the program ends or time passes before that.
    pub fn until<T>(&mut self, what: &str, mut there: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + HANG;
        loop {
            if let Some(found) = there() {
                return found;
            }
            let said = || fs::read_to_string(self.err.path()).unwrap_or_default();
            assert!(
                !self.child.try_wait().is_ok_and(|s| s.is_some()),
                "ungil ended before {what}: {}",
                said()
            );
            assert!(Instant::now() < deadline, "{what} did not happen: {}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal by `kill -NAME`.
    pub fn signal(&self, name: &str) {
        let done =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(done.is_ok_and(|s| s.success()), "kill -{name}");
    }

    /// Waits for its end.
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

/// What a call left behind.
#[derive(Debug)]
pub struct Out {
    dir: PathBuf,
    /// Exit code, or the signal's number with a minus.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The three lines of an error.
#[derive(Debug)]
pub struct Told {
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Out {
    /// Fails unless it ended well; gives itself.
    #[track_caller]
    pub fn ok(self) -> Out {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless it ended with `code` and its error is exactly three lines; notes may stand
    /// before them.
    #[track_caller]
    pub fn told(&self, code: i32) -> Told {
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
        Told { what: part(what, "ungil: "), why: part(why, "  why: "), help: part(help, "  try: ") }
    }

    /// The record it left: the newest in its directory.
    pub fn record(&self) -> Record {
        let line = self.stdout.lines().find_map(|l| l.strip_prefix("Record: "));
        Record::read(&self.dir.join(line.expect("the record's path on standard output")))
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in:\n{}", self.stdout))
    }
}
