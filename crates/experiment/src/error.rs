//! The errors of an experiment. Each has three lines: what happened, why, and what to do.

use std::path::PathBuf;

/// A failure described in three lines.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// What happened.
    pub what: String,
    /// The reason.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Failure {
    /// Creates a failure.
    pub fn new(
        what: impl Into<String>,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> Failure {
        Failure { what: what.into(), why: why.into(), help: help.into() }
    }
}

/// An error of this crate. The variant decides the exit code, the [`Failure`] is what is printed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is invalid or names something that does not exist.
    #[error("{0}")]
    Usage(Failure),
    /// A run failed, arms disagree, or the system refused an operation.
    #[error("{0}")]
    Failed(Failure),
    /// The record could not be written or read.
    #[error("{failure}")]
    Record { path: PathBuf, failure: Failure },
    /// The user interrupted the experiment.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Returns the failure to print.
    pub fn failure(&self) -> Failure {
        match self {
            Error::Usage(f) | Error::Failed(f) | Error::Record { failure: f, .. } => f.clone(),
            Error::Interrupted => Failure::new(
                "interrupted",
                "Ctrl-C or a termination signal was received",
                "the measurements so far are in the record; continue with --resume",
            ),
        }
    }
}

pub(crate) fn usage(
    what: impl Into<String>,
    why: impl Into<String>,
    help: impl Into<String>,
) -> Error {
    Error::Usage(Failure::new(what, why, help))
}

pub(crate) fn failed(
    what: impl Into<String>,
    why: impl Into<String>,
    help: impl Into<String>,
) -> Error {
    Error::Failed(Failure::new(what, why, help))
}

impl From<ungil_meter::TreeError> for Error {
    fn from(error: ungil_meter::TreeError) -> Error {
        let why = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        match error {
            ungil_meter::TreeError::Start { .. } => failed(
                error.to_string(),
                why,
                "check that the program exists, is executable and is on PATH",
            ),
            ungil_meter::TreeError::Survivors { .. } => failed(
                error.to_string(),
                "they did not end within five seconds of SIGKILL (usually because they wait for a broken disk or network mount)",
                "inspect them with ps and fix what they wait for",
            ),
            _ => failed(error.to_string(), why, "run it again; if it happens again, report it"),
        }
    }
}
