//! Identifies an executable by running `probe.py` with it.
//!
//! Nothing is concluded from the file name. The output is untrusted: it counts only if it has a
//! marked line that parses.

use crate::child::{self, Outcome, excerpt, last_line};
use crate::{Build, Error, Implementation, Interpreter, Origin, Version};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = include_str!("probe.py");
const MARK: &str = "ungil-probe ";

/// The JSON that `probe.py` prints.
#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: Version,
    free_threaded: bool,
    /// `None` or empty if the interpreter does not know its own path.
    #[serde(default)]
    executable: Option<PathBuf>,
    build: Build,
}

/// Runs an executable once. `path` must be a file; see `inspect` for other paths.
pub(crate) fn probe(path: &Path, origin: Origin, limit: Duration) -> Result<Interpreter, Error> {
    let answer = run_probe(path, limit)?;
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
        // Absolute, so that it stays valid after a change of directory; 3.14 also warns about a
        // virtual environment that is started by a relative path.
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

fn run_probe(path: &Path, limit: Duration) -> Result<Answer, Error> {
    let owned = || path.to_owned();
    let mut command = Command::new(path);
    // -S ignores site-packages and its .pth files. -E and the removed variables ignore the caller's
    // settings: PYTHON_GIL=0, for example, is a fatal error in a build with the GIL. -I is not used
    // because Python 2.7 does not have it.
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
            return Err(Error::TooMuch { path: owned(), bytes: child::MAX_OUTPUT });
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
            output: last_line(&stderr),
        });
    }
    let text = String::from_utf8_lossy(&stdout);
    text.lines()
        .find_map(|line| serde_json::from_str(line.strip_prefix(MARK)?).ok())
        .ok_or_else(|| Error::NotPython { path: owned(), output: excerpt(&text) })
}

/// Returns the virtual environment of an executable, found as the interpreter finds it:
/// `pyvenv.cfg` in its directory or the one above, without resolving links. The interpreter cannot
/// be asked: before 3.14 only `site` detects it, which the probe does not run.
pub(crate) fn venv_of(executable: &Path) -> Option<PathBuf> {
    let bin = executable.parent()?;
    [bin.parent(), Some(bin)]
        .into_iter()
        .flatten()
        .find(|dir| dir.join("pyvenv.cfg").is_file())
        .map(Path::to_owned)
}
