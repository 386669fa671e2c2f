//! Helpers for the whole-program tests: a directory of one's own, the program `ungil` run in it, the record it leaves.
//!
//! Nothing here waits by sleeping for a fixed time: what is awaited is asked for again until a deadline so generous that
//! only a hang meets it.

mod record;

pub use record::{Record, hazards, metric};

use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The interpreters every test may name.
pub const PYTHONS: [&str; 4] = ["3.14", "3.14t", "3.15", "3.15t"];

/// Longest time anything here may take before it is called a hang.
pub const HANG: Duration = Duration::from_secs(240);

/// One block, nothing warmed up, no energy: for tests in which figures do not matter.
pub const ONE_BLOCK: [&str; 11] = [
    "--blocks",
    "1",
    "--max-blocks",
    "1",
    "--warmup",
    "0",
    "--time-limit",
    "1s",
    "--energy",
    "off",
    "--quiet",
];

/// The program: `$UNGIL_BIN`, or built once for this process.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("UNGIL_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["build", "--quiet", "--package", "ungil", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "cargo build failed: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let messages = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let programs: Vec<PathBuf> =
        messages.filter_map(|m| m["executable"].as_str().map(PathBuf::from)).collect();
    let program = programs.into_iter().find(|p| p.file_name().is_some_and(|n| n == "ungil"));
    program.expect("cargo names the program it built")
}

/// The executable of an interpreter; fails, and says what to do, if it is not there.
pub fn python(name: &str) -> PathBuf {
    match ungil_pythons::resolve(name, &ungil_pythons::Search::from_env()) {
        Ok(found) => found.executable,
        Err(why) => panic!(
            "the interpreter {name} is missing ({why}): run the tests with `cargo xtask test`, or set UNGIL_PYTHONS \
             to a folder with {}",
            PYTHONS.join(", ")
        ),
    }
}

fn need_pythons() {
    static THERE: OnceLock<()> = OnceLock::new();
    THERE.get_or_init(|| PYTHONS.iter().for_each(|name| drop(python(name))));
}

/// A directory of a test's own.
#[derive(Debug)]
pub struct Place(tempfile::TempDir);

impl Default for Place {
    fn default() -> Place {
        Place::new()
    }
}

impl Place {
    /// A new directory. Fails if an interpreter the tests need is missing.
    pub fn new() -> Place {
        need_pythons();
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a directory");
        }
        fs::write(&path, text).expect("a file");
        path
    }

    /// The text of a file; `None` while it is not there.
    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.at(name)).ok()
    }

    /// Process ids in a file, one a line.
    pub fn pids(&self, name: &str) -> Vec<i32> {
        self.read(name).unwrap_or_default().lines().filter_map(|l| l.trim().parse().ok()).collect()
    }

    /// `ungil ARGS` in this directory.
    pub fn ungil<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Ungil {
        Ungil::new(self.path()).args(args)
    }

    /// `ungil compare ARGS` with [`ONE_BLOCK`].
    pub fn one_block<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Ungil {
        self.ungil(["compare"]).args(ONE_BLOCK).args(args)
    }

    /// The newest record under `.ungil`.
    pub fn newest(&self) -> Record {
        let dir = self.at(".ungil");
        let files = fs::read_dir(&dir).expect("a folder of records").flatten().map(|e| e.path());
        let records = files.filter(|p| p.extension().is_some_and(|e| e == "jsonl"));
        let age = |p: &PathBuf| fs::metadata(p).and_then(|m| m.modified()).ok();
        Record::read(&records.max_by_key(age).expect("a record"))
    }
}

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
        for name in
            ["PYTHONPATH", "PYTHON_GIL", "PYTHONHASHSEED", "UNGIL_PHASE", "UNGIL_WORKERS", "UNGIL_ARM"]
        {
            command.env_remove(name);
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
        let [out, err] = [(); 2].map(|()| tempfile::NamedTempFile::new().expect("a file for output"));
        self.command.stdin(Stdio::null());
        self.command.stdout(out.reopen().expect("reopened")).stderr(err.reopen().expect("reopened"));
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
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
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
    pub mend: String,
}

impl Out {
    /// Fails unless it ended well; gives itself.
    #[track_caller]
    pub fn ok(self) -> Out {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless it ended with `code` and its error is exactly three lines; notes may stand before them.
    #[track_caller]
    pub fn told(&self, code: i32) -> Told {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        let lines: Vec<&str> = self.stderr.lines().filter(|l| !l.starts_with("note: ")).collect();
        let [what, why, mend] = lines[..] else { panic!("not three lines:\n{}", self.stderr) };
        let part = |line: &str, head: &str| {
            let rest = line.strip_prefix(head).unwrap_or_else(|| panic!("no '{head}' in:\n{}", self.stderr));
            assert!(!rest.trim().is_empty(), "nothing after '{head}':\n{}", self.stderr);
            rest.to_string()
        };
        Told { what: part(what, "ungil: "), why: part(why, "  why: "), mend: part(mend, "  try: ") }
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

/// Whether a process runs: there, and not a zombie.
pub fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Asks until the answer is yes; fails after [`HANG`].
#[track_caller]
pub fn eventually(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANG;
    while !there() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}
