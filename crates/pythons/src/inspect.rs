//! An interpreter named by its path: the executable, a venv, or the prefix of an installation.

use crate::candidates::root_of_shims;
use crate::probe::probe;
use crate::{Error, Interpreter, Origin};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Somebody named this one, so it is given longer than a file that only happens to be called
/// python.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs what is at `path` once and says what it is. A venv or a prefix stands for the interpreter
/// in its `bin`.
///
/// A pyenv shim is seen through: it would start a shell and pyenv before every run, and mean
/// another version in another directory.
pub fn inspect(path: &Path, origin: Origin) -> Result<Interpreter, Error> {
    let file = executable_at(path)?;
    let found = probe(&file, origin, PATIENCE)?;
    if file.parent().and_then(root_of_shims).is_some() && found.real != file {
        return probe(&found.real, origin, PATIENCE);
    }
    Ok(found)
}

/// The executable a path stands for, absolute, so that it still means the same in another working
/// directory. Links are not followed: a venv's link is the venv.
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

/// The interpreter of a venv or an installation.
fn in_prefix(prefix: &Path) -> Option<PathBuf> {
    ["python3", "python", "pypy3", "pypy", "graalpy"]
        .iter()
        .map(|name| prefix.join("bin").join(name))
        .find(|file| file.exists())
}

/// A regular file with an execute bit. Whose bit it is the system will say when the file is run.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
