//! Why a core file cannot be read, in the three parts that every error of the program has.

use std::io;
use std::path::Path;
use thiserror::Error;

/// A core file that cannot be read, or in which no CPython was found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}")]
pub struct CoreError {
    /// What failed.
    pub what: String,
    /// The cause.
    pub why: String,
    /// What to do.
    pub help: String,
}

impl CoreError {
    /// `path` cannot be read as a core.
    pub(super) fn new(path: &Path, why: impl Into<String>, help: impl Into<String>) -> CoreError {
        let what = format!("{} cannot be read as a core file", path.display());
        CoreError { what, why: why.into(), help: help.into() }
    }

    /// The system refused to open or read `path`.
    pub(super) fn io(path: &Path, error: &io::Error) -> CoreError {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "give the path of a core file, or the number of a process",
            io::ErrorKind::PermissionDenied => {
                "run as the user that owns the file; the kernel writes cores with mode 0600"
            }
            io::ErrorKind::Other => "copy it again from where it was written: it is damaged",
            _ => "check the disk that the file is on",
        };
        CoreError::new(path, error.to_string(), help)
    }

    /// The core at `path` was read, but no CPython of a known layout is in it.
    pub(super) fn python(
        path: &Path,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> CoreError {
        let what = format!("no CPython can be read from {}", path.display());
        CoreError { what, why: why.into(), help: help.into() }
    }
}
