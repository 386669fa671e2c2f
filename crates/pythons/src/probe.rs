//! Asks an executable what it is: runs `probe.py` with it once and reads the answer.
//!
//! The file name proves nothing, so nothing is taken from it. What the probe prints comes from a
//! stranger: it counts only if the marked line is there and parses.

use crate::child::{self, Outcome, excerpt, last_line};
use crate::{Build, Error, Implementation, Interpreter, Origin, Version};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = include_str!("probe.py");
const MARK: &str = "ungil-probe ";

/// The probe's answer, as `probe.py` prints it.
#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: Version,
    free_threaded: bool,
    /// `None` and empty both occur, where an interpreter does not know its own path.
    #[serde(default)]
    executable: Option<PathBuf>,
    build: Build,
}

/// Runs this executable once. `path` must be a file; see `inspect` for what a user may name.
pub(crate) fn probe(path: &Path, origin: Origin, limit: Duration) -> Result<Interpreter, Error> {
    let answer = ask(path, limit)?;
    let real = answer
        .executable
        .filter(|executable| executable.is_absolute())
        .and_then(|executable| executable.canonicalize().ok())
        .or_else(|| path.canonicalize().ok())
        .unwrap_or_else(|| path.to_owned());
    let implementation = match answer.implementation.as_str() {
        "cpython" => Implementation::CPython,
        "pypy" => Implementation::PyPy,
        "graalpy" => Implementation::GraalPy,
        _ => Implementation::Other,
    };
    let prefix =
        if implementation == Implementation::CPython { "" } else { answer.implementation.as_str() };
    let (major, minor) = answer.version.series();
    let t = if answer.free_threaded { "t" } else { "" };
    Ok(Interpreter {
        name: format!("{prefix}{major}.{minor}{t}"),
        // A relative path would mean another file after a change of directory, and 3.14 warns of a
        // venv named so.
        executable: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        real,
        version: answer.version,
        implementation,
        free_threaded: answer.free_threaded,
        build: answer.build,
        origin,
        venv: venv_of(path),
    })
}

fn ask(path: &Path, limit: Duration) -> Result<Answer, Error> {
    let owned = || path.to_owned();
    let mut command = Command::new(path);
    // -S keeps site-packages and its .pth files out; -E and the removed variables keep the caller's
    // settings out, of which PYTHON_GIL=0 would end a build with the GIL. Not -I, which 2.7 does
    // not know.
    command.args(["-B", "-E", "-s", "-S", "-c", SCRIPT]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PYTHON") {
            command.env_remove(name);
        }
    }
    let outcome = child::run(&mut command, limit)
        .map_err(|source| Error::Unrunnable { path: owned(), source })?;
    let (status, stdout, stderr) = match outcome {
        Outcome::TooMuch => {
            return Err(Error::TooMuch { path: owned(), bytes: child::OUTPUT_LIMIT });
        }
        Outcome::TimedOut => {
            return Err(Error::TimedOut { path: owned(), seconds: limit.as_secs_f64() });
        }
        Outcome::Ended { status, stdout, stderr } => (status, stdout, stderr),
    };
    if !status.success() {
        return Err(Error::Failed {
            path: owned(),
            status: status.to_string(),
            said: last_line(&stderr),
        });
    }
    let text = String::from_utf8_lossy(&stdout);
    text.lines()
        .find_map(|line| serde_json::from_str(line.strip_prefix(MARK)?).ok())
        .ok_or_else(|| Error::NotPython { path: owned(), said: excerpt(&text) })
}

/// The venv an executable belongs to, found as the interpreter itself finds it: `pyvenv.cfg` beside
/// it or one above, the link not followed. Asking it would mean running site before 3.14, which the
/// probe does not.
pub(crate) fn venv_of(executable: &Path) -> Option<PathBuf> {
    let bin = executable.parent()?;
    [bin.parent(), Some(bin)]
        .into_iter()
        .flatten()
        .find(|dir| dir.join("pyvenv.cfg").is_file())
        .map(Path::to_owned)
}
