//! What can go wrong with an experiment, each in three lines: what, why, what to do.

use std::path::PathBuf;

/// A failure told in three lines.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Failure {
    /// A failure from its three lines.
    pub fn new(
        what: impl Into<String>,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> Failure {
        Failure { what: what.into(), why: why.into(), help: help.into() }
    }
}

/// An error of this room; the variant decides the exit code, the [`Failure`] what is printed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense or names something that is not there.
    #[error("{0}")]
    Usage(Failure),
    /// A run failed, arms disagree, or the machine refused.
    #[error("{0}")]
    Failed(Failure),
    /// The record could not be written or read.
    #[error("{failure}")]
    Record {
        /// Which file.
        path: PathBuf,
        /// The three lines.
        failure: Failure,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The three lines of this error.
    pub fn failure(&self) -> Failure {
        match self {
            Error::Usage(f) | Error::Failed(f) | Error::Record { failure: f, .. } => f.clone(),
            Error::Interrupted => Failure::new(
                "interrupted",
                "Ctrl-C or a termination signal was received",
                "what was measured is in the record; go on with --resume",
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

impl From<ungil_meter::Error> for Error {
    fn from(error: ungil_meter::Error) -> Error {
        let why = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        match error {
            ungil_meter::Error::Start { .. } => failed(
                error.to_string(),
                why,
                "check that the program exists, is executable and is on PATH",
            ),
            ungil_meter::Error::Survivors { .. } => failed(
                error.to_string(),
                "they did not end within five seconds of SIGKILL (usually a process waiting for a broken disk or network mount)",
                "look at them with ps and end what they wait for",
            ),
            _ => failed(error.to_string(), why, "run it again; if it happens again, report it"),
        }
    }
}
