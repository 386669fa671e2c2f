//! Errors. Each has three lines for users: what happened (`Display`), why, and what to do.

use std::path::PathBuf;

/// An error of this crate. `Display` states what happened; see [`Error::why`] and [`Error::help`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No interpreter matches the request.
    #[error("no interpreter '{spec}' was found")]
    NotFound {
        spec: String,
        /// Names of the interpreters found, best first.
        have: Vec<String>,
        /// The one of them closest to the request.
        nearest: Option<String>,
        /// Files that may be interpreters and did not answer in time.
        silent: Box<[PathBuf]>,
        /// The argument of `ungil pythons install` that installs it.
        install: Option<String>,
        /// Whether installing it needs uv, which is missing.
        needs_uv: bool,
    },
    /// No GIL build has a free-threaded twin.
    #[error("no CPython with a free-threaded twin was found")]
    NoPair {
        /// Names of the interpreters found, best first.
        have: Vec<String>,
        /// What to install to get a pair.
        install: Vec<String>,
    },
    /// The path does not exist.
    #[error("'{path}' does not exist")]
    Missing { path: PathBuf },
    /// The directory is neither a virtual environment nor an installation.
    #[error("'{path}' is a directory without an interpreter")]
    NoInterpreterIn { path: PathBuf },
    /// The file has no execute permission.
    #[error("'{path}' is not executable")]
    NotExecutable { path: PathBuf },
    /// The system could not start the file, or could not read its output.
    #[error("'{path}' could not be run")]
    Unrunnable { path: PathBuf, source: std::io::Error },
    /// The probe ended with a failure.
    #[error("'{path}' failed to describe itself")]
    Failed {
        path: PathBuf,
        /// `exit status: 1`, `signal: 11 (SIGSEGV)`.
        status: String,
        /// The last line of its standard error.
        output: String,
    },
    /// The output is not the probe's answer.
    #[error("'{path}' is not a Python interpreter")]
    NotPython {
        path: PathBuf,
        /// The beginning of the output.
        output: String,
    },
    /// The output exceeded its limit.
    #[error("'{path}' printed too much to be a Python interpreter")]
    TooMuch {
        path: PathBuf,
        /// The limit.
        bytes: usize,
    },
    /// The probe did not end in time.
    #[error("'{path}' did not answer")]
    TimedOut {
        path: PathBuf,
        /// The time limit.
        seconds: f64,
    },
    /// The requested interpreter cannot be installed.
    #[error("there is no way to install '{spec}'")]
    NoRecipe { spec: String, why: String, help: String },
    /// `uv python install` failed.
    #[error("uv could not install '{spec}'")]
    Uv {
        spec: String,
        /// uv's last message.
        why: String,
    },
    /// The recipe failed.
    #[error("'{spec}' could not be assembled")]
    Assemble {
        spec: String,
        /// What failed, with its last message.
        why: String,
        help: String,
    },
    /// The installed interpreter does not run, or is not the requested one. It was removed.
    #[error("'{spec}' was installed but does not work")]
    Broken { spec: String, why: String },
    /// The folder for interpreters could not be written.
    #[error("'{path}' could not be written")]
    Folder { path: PathBuf, source: std::io::Error },
}

impl Error {
    /// Returns why it happened, in one line.
    pub fn why(&self) -> String {
        match self {
            Error::NotFound { have, nearest, silent, .. } => {
                let found = match nearest {
                    Some(nearest) => {
                        format!("found {}; the nearest is {nearest}", have.join(", "))
                    }
                    None if have.is_empty() => "no interpreter was found".to_owned(),
                    None => format!("found {}", have.join(", ")),
                };
                match &silent[..] {
                    [] => found,
                    [one] => format!("{found}; {} did not answer in time", one.display()),
                    [one, rest @ ..] => {
                        format!(
                            "{found}; {} and {} more did not answer in time",
                            one.display(),
                            rest.len()
                        )
                    }
                }
            }
            Error::NoPair { have, .. } if have.is_empty() => "no interpreter was found".to_owned(),
            Error::NoPair { have, .. } => format!("found {}", have.join(", ")),
            Error::Missing { .. } => "no such file or directory".to_owned(),
            Error::NoInterpreterIn { .. } => "it has neither bin/python3 nor bin/python".to_owned(),
            Error::NotExecutable { .. } => {
                "it has no execute permission, or is not a file".to_owned()
            }
            Error::Unrunnable { source, .. } | Error::Folder { source, .. } => source.to_string(),
            Error::Failed { status, output, .. } if output.is_empty() => {
                format!("it ended with {status}")
            }
            Error::Failed { status, output, .. } => format!("it ended with {status}: {output}"),
            Error::NotPython { output, .. } if output.is_empty() => "it printed nothing".to_owned(),
            Error::NotPython { output, .. } => format!("it printed '{output}'"),
            Error::TooMuch { bytes, .. } => format!("it was stopped after printing {bytes} bytes"),
            Error::TimedOut { seconds, .. } => format!("it was stopped after {seconds} s"),
            Error::NoRecipe { why, .. }
            | Error::Uv { why, .. }
            | Error::Assemble { why, .. }
            | Error::Broken { why, .. } => why.clone(),
        }
    }

    /// Returns what to do about it, in one line.
    pub fn help(&self) -> String {
        match self {
            Error::NotFound { install: Some(version), needs_uv: true, .. } => format!(
                "give its path, or add its folder to $UNGIL_PYTHONS; with uv on the PATH: ungil pythons install {version}"
            ),
            Error::NotFound { install: Some(install), .. } => format!("ungil pythons install {install}"),
            Error::NotFound { .. } => {
                "see ungil pythons for a list; a path or a virtual environment works as well".to_owned()
            }
            Error::NoPair { install, .. } => format!("ungil pythons install {}", install.join(" ")),
            Error::Missing { .. } | Error::NoInterpreterIn { .. } => {
                "give an executable, a virtual environment, or a version such as 3.14t".to_owned()
            }
            Error::NotExecutable { path } => {
                format!("chmod +x {}, or give another interpreter", path.display())
            }
            Error::Unrunnable { .. } => {
                "check that it was built for this machine and that its loader and libraries are installed"
                    .to_owned()
            }
            Error::Failed { path, .. } | Error::TimedOut { path, .. } => {
                format!("run it by hand: {} -c \"import sysconfig\"", path.display())
            }
            Error::NotPython { .. } | Error::TooMuch { .. } => "give a Python interpreter".to_owned(),
            Error::NoRecipe { help, .. } => help.clone(),
            Error::Uv { spec, .. } if crate::assemble::has_recipe(spec) => {
                format!("run uv python install {spec} by hand, or let ungil assemble it: --with assemble")
            }
            Error::Uv { spec, .. } => format!("run uv python install {spec} by hand"),
            Error::Assemble { help, .. } => help.clone(),
            Error::Broken { .. } => "try again; if it fails again, report this message as a bug".to_owned(),
            Error::Folder { .. } => "make it writable, or set $UNGIL_HOME to a writable folder".to_owned(),
        }
    }
}
