//! Identifies an interpreter by its path: an executable, a virtual environment, or the prefix of an
//! installation.

use crate::candidates::pyenv_root_of_shims;
use crate::probe::probe;
use crate::{Error, Interpreter, Origin};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time limit of the probe of a path that was given explicitly; longer than for files that are only
/// called `python`.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the interpreter at `path` once and returns what it is. `path` may be a virtual environment
/// or a prefix, which stand for the interpreter in their `bin`.
///
/// A pyenv shim is replaced by the interpreter it starts: the shim would run a shell and pyenv at
/// every start, and select another version in another directory.
pub fn inspect(path: &Path, origin: Origin) -> Result<Interpreter, Error> {
    let file = executable_at(path)?;
    let found = probe(&file, origin, PROBE_TIMEOUT)?;
    if file.parent().and_then(pyenv_root_of_shims).is_some() && found.real != file {
        return probe(&found.real, origin, PROBE_TIMEOUT);
    }
    Ok(found)
}

/// Returns the executable that a path stands for, as an absolute path without resolving links: a
/// virtual environment's executable is a link.
pub(crate) fn executable_at(path: &Path) -> Result<PathBuf, Error> {
    let named = || path.to_owned();
    let absolute =
        std::path::absolute(path).map_err(|source| Error::Unrunnable { path: named(), source })?;
    let metadata = absolute.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { path: named() },
        _ => Error::Unrunnable { path: named(), source: error },
    })?;
    let file = if metadata.is_dir() {
        in_prefix(&absolute).ok_or_else(|| Error::NoInterpreterIn { path: named() })?
    } else {
        absolute
    };
    if is_executable(&file) { Ok(file) } else { Err(Error::NotExecutable { path: file }) }
}

/// Returns the interpreter of a virtual environment or an installation.
fn in_prefix(prefix: &Path) -> Option<PathBuf> {
    ["python3", "python", "pypy3", "pypy", "graalpy"]
        .iter()
        .map(|name| prefix.join("bin").join(name))
        .find(|file| file.exists())
}

/// Returns whether a path is a regular file with any execute bit set. Whether this user may run it
/// is decided by the kernel.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
