//! Errors for core files, with cause and remedy.

use std::io;
use std::path::Path;
use thiserror::Error;

/// A core file that cannot be read or does not contain a supported CPython.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}")]
pub struct CoreError {
    /// What failed.
    pub what: String,
    /// The cause.
    pub why: String,
    /// How to fix it.
    pub help: String,
}

impl CoreError {
    /// Creates an error for a file that is not a usable core.
    pub(super) fn new(path: &Path, why: impl Into<String>, help: impl Into<String>) -> CoreError {
        let what = format!("{} cannot be read as a core file", path.display());
        CoreError { what, why: why.into(), help: help.into() }
    }

    /// Creates an error for a failure to open or read `path`.
    pub(super) fn io(path: &Path, error: &io::Error) -> CoreError {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "give the path of a core file or a process id",
            io::ErrorKind::PermissionDenied => {
                "run as the owner of the file; the kernel writes cores with mode 0600"
            }
            io::ErrorKind::Other => "the file is damaged: copy it again from where it was written",
            _ => "check the disk that the file is on",
        };
        CoreError::new(path, error.to_string(), help)
    }

    /// Creates an error for a valid core without a supported CPython.
    pub(super) fn python(
        path: &Path,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> CoreError {
        let what = format!("no CPython can be read from {}", path.display());
        CoreError { what, why: why.into(), help: help.into() }
    }
}
