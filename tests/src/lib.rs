//! Helpers for the whole-program tests: temporary directories, running `ungil`, reading its
//! records, debuggees with a known state, and a headless browser.
//!
//! Nothing here sleeps for a fixed time. Helpers poll for a condition until a deadline that only a
//! hang exceeds.

mod agreement;
mod browser;
mod debuggee;
mod dump_diff;
mod native_code;
mod program;
mod record;

pub use agreement::disagreements_with_dump;
pub use browser::BrowserPage;
pub use debuggee::{Debuggee, TruthfulDebuggee, debuggee_names, debuggees_dir};
pub use dump_diff::DumpDiff;
pub use native_code::{compile_extension, compile_shared_library};
pub use program::{ErrorMessage, Out, Running, Ungil};
pub use record::{Record, hazards, metric};

use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The interpreters that every test may use.
pub const PYTHONS: [&str; 4] = ["3.14", "3.14t", "3.15", "3.15t"];

/// The builds that `dump`, `profile`, `top` and `heap` support. Their tests run on all of them.
pub const BUILDS: [&str; 5] = ["3.13", "3.14", "3.14t", "3.15", "3.15t"];

/// Time after which a helper fails a test because of a hang.
pub const HANG_TIMEOUT: Duration = Duration::from_secs(240);

/// One block, no warm-up, no energy: for tests in which the figures do not matter.
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

/// Returns the path of `ungil`: `$UNGIL_BIN`, else a build made once for this process.
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

/// Returns the executable of an interpreter.
///
/// # Panics
/// If the interpreter is not installed.
pub fn python(name: &str) -> PathBuf {
    // `cargo xtask test` installs the interpreters here. Starting each one to find out its version
    // would cost every test a second.
    let folders = std::env::var_os("UNGIL_PYTHONS").unwrap_or_default();
    let mut candidates = std::env::split_paths(&folders)
        .map(|f| f.join(name).join("bin").join(format!("python{name}")));
    if let Some(path) = candidates.find(|p| p.is_file()) {
        return path;
    }
    match ungil_pythons::resolve(name, &ungil_pythons::Search::from_env()) {
        Ok(found) => found.executable,
        Err(why) => panic!(
            "the interpreter {name} is missing ({why}): run the tests with `cargo xtask test`, or set UNGIL_PYTHONS \
             to a folder with {}",
            PYTHONS.join(", ")
        ),
    }
}

/// Copies the executable of an interpreter to `dir/python`. Returns the copy, and a command that
/// runs it with the original's libraries.
pub fn copy_interpreter(dir: &TestDir, build: &str) -> (PathBuf, Command) {
    let original = python(build).canonicalize().expect("the interpreter");
    let copy = dir.join("python");
    fs::copy(&original, &copy).expect("a copy of the interpreter");
    let home = original.ancestors().nth(2).expect("the installation of the interpreter");
    let mut command = Command::new(&copy);
    // Some builds put the interpreter into a shared library next to the executable.
    command.env("PYTHONHOME", home).env("LD_LIBRARY_PATH", home.join("lib"));
    (copy, command)
}

/// Fails if one of [`PYTHONS`] is missing.
fn require_pythons() {
    static FOUND: OnceLock<()> = OnceLock::new();
    FOUND.get_or_init(|| PYTHONS.iter().for_each(|name| drop(python(name))));
}

/// A temporary directory for one test, deleted on drop.
#[derive(Debug)]
pub struct TestDir(tempfile::TempDir);

impl Default for TestDir {
    fn default() -> TestDir {
        TestDir::new()
    }
}

impl TestDir {
    /// Creates a directory. Fails if one of [`PYTHONS`] is missing.
    pub fn new() -> TestDir {
        require_pythons();
        TestDir(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of `name` in this directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, creates its parent directories, and returns its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a directory");
        }
        fs::write(&path, text).expect("a file");
        path
    }

    /// Returns the text of a file; `None` if the file cannot be read.
    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.join(name)).ok()
    }

    /// Reads process ids from a file, one per line.
    pub fn pids(&self, name: &str) -> Vec<i32> {
        self.read(name).unwrap_or_default().lines().filter_map(|l| l.trim().parse().ok()).collect()
    }

    /// Prepares `ungil ARGS` in this directory.
    pub fn ungil<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Ungil {
        Ungil::new(self.path()).args(args)
    }

    /// Prepares `ungil compare ARGS` with [`ONE_BLOCK`].
    pub fn one_block<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Ungil {
        self.ungil(["compare"]).args(ONE_BLOCK).args(args)
    }

    /// Reads the newest record under `.ungil`.
    pub fn newest_record(&self) -> Record {
        let dir = self.join(".ungil");
        let files = fs::read_dir(&dir).expect("a folder of records").flatten().map(|e| e.path());
        let records = files.filter(|p| p.extension().is_some_and(|e| e == "jsonl"));
        let age = |p: &PathBuf| fs::metadata(p).and_then(|m| m.modified()).ok();
        Record::read(&records.max_by_key(age).expect("a record"))
    }
}

/// Returns whether a process exists and is not a zombie.
pub fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Polls until `condition` returns true. Fails after [`HANG_TIMEOUT`]; `what` names the condition.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANG_TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
