//! What can go wrong with an interpreter, each said as what, why and what to do.
//!
//! The three lines live next to each other per error, so that a new one cannot be added without its
//! help.

use std::path::PathBuf;

/// An error of this room. `Display` is the *what*, [`Error::why`] and [`Error::help`] the other two
/// lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No interpreter matches what was asked for.
    #[error("no interpreter '{spec}' was found")]
    NotFound {
        /// What was asked for.
        spec: String,
        /// The names of what is there, best first.
        have: Vec<String>,
        /// The one of those closest to what was asked for.
        nearest: Option<String>,
        /// The files that may be an interpreter and did not say what they are in time.
        silent: Box<[PathBuf]>,
        /// The version to give to `ungil pythons install`, where that gets it.
        install: Option<String>,
        /// Whether that is only so once uv is on the search path.
        needs_uv: bool,
    },
    /// No GIL build here has a free-threaded twin.
    #[error("no CPython here has a free-threaded twin")]
    NoPair {
        /// The names of what is there, best first.
        have: Vec<String>,
        /// What is missing to make a pair.
        install: Vec<String>,
    },
    /// The path leads nowhere.
    #[error("there is no '{path}'")]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A directory that is neither a venv nor an installation.
    #[error("'{path}' is a directory without an interpreter")]
    NoInterpreterIn {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A file that may not be executed.
    #[error("'{path}' is not executable")]
    NotExecutable {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The system could not start it, or could not read its answer.
    #[error("'{path}' could not be run")]
    Unrunnable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and ended with a failure.
    #[error("'{path}' failed when asked what it is")]
    Failed {
        /// The path as it was given.
        path: PathBuf,
        /// `exit status: 1`, `signal: 11 (SIGSEGV)`.
        status: String,
        /// The last line it wrote to standard error.
        said: String,
    },
    /// It ran, and what it printed is not the probe's answer.
    #[error("'{path}' is not a Python interpreter")]
    NotPython {
        /// The path as it was given.
        path: PathBuf,
        /// The beginning of what it printed instead.
        said: String,
    },
    /// It printed without end.
    #[error("'{path}' printed too much to be a Python interpreter")]
    TooMuch {
        /// The path as it was given.
        path: PathBuf,
        /// How many bytes were read before it was stopped.
        bytes: usize,
    },
    /// It did not end.
    #[error("'{path}' did not answer")]
    TimedOut {
        /// The path as it was given.
        path: PathBuf,
        /// How long it was given.
        seconds: f64,
    },
    /// There is no way to install what was asked for.
    #[error("there is no way to install '{spec}'")]
    NoRecipe {
        /// What was asked for.
        spec: String,
        /// What stands in the way.
        why: String,
        /// What would make it work.
        help: String,
    },
    /// uv was asked and could not.
    #[error("uv could not install '{spec}'")]
    Uv {
        /// What was asked for.
        spec: String,
        /// What uv said last.
        why: String,
    },
    /// Assembling stopped.
    #[error("'{spec}' could not be assembled")]
    Assemble {
        /// What was asked for.
        spec: String,
        /// What failed, with the last of what it said.
        why: String,
        /// What would make it work.
        help: String,
    },
    /// What was installed does not run, or is not what was asked for. Nothing of it is kept.
    #[error("'{spec}' was installed and does not work")]
    Broken {
        /// What was asked for.
        spec: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder for interpreters could not be written.
    #[error("'{path}' could not be written")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Why it happened, in one line.
    pub fn why(&self) -> String {
        match self {
            Error::NotFound { have, nearest, silent, .. } => {
                let found = match nearest {
                    Some(nearest) => {
                        format!("there is {}; the nearest is {nearest}", have.join(", "))
                    }
                    None if have.is_empty() => "no interpreter at all was found".to_owned(),
                    None => format!("there is {}", have.join(", ")),
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
            Error::NoPair { have, .. } if have.is_empty() => {
                "no interpreter at all was found".to_owned()
            }
            Error::NoPair { have, .. } => format!("there is {}", have.join(", ")),
            Error::Missing { .. } => "no such file or directory".to_owned(),
            Error::NoInterpreterIn { .. } => "it has neither bin/python3 nor bin/python".to_owned(),
            Error::NotExecutable { .. } => {
                "its mode has no execute bit, or it is no file".to_owned()
            }
            Error::Unrunnable { source, .. } | Error::Folder { source, .. } => source.to_string(),
            Error::Failed { status, said, .. } if said.is_empty() => {
                format!("it ended with {status}")
            }
            Error::Failed { status, said, .. } => format!("it ended with {status}: {said}"),
            Error::NotPython { said, .. } if said.is_empty() => "it printed nothing".to_owned(),
            Error::NotPython { said, .. } => format!("it printed '{said}'"),
            Error::TooMuch { bytes, .. } => format!("it was stopped after {bytes} bytes"),
            Error::TimedOut { seconds, .. } => format!("it was stopped after {seconds} s"),
            Error::NoRecipe { why, .. }
            | Error::Uv { why, .. }
            | Error::Assemble { why, .. }
            | Error::Broken { why, .. } => why.clone(),
        }
    }

    /// What to do about it, in one line.
    pub fn help(&self) -> String {
        match self {
            Error::NotFound { install: Some(version), needs_uv: true, .. } => format!(
                "give its path, or add its folder to $UNGIL_PYTHONS; with uv on the PATH: ungil pythons install {version}"
            ),
            Error::NotFound { install: Some(install), .. } => format!("ungil pythons install {install}"),
            Error::NotFound { .. } => {
                "ungil pythons lists what there is; a path or a venv works as well as a version".to_owned()
            }
            Error::NoPair { install, .. } => format!("ungil pythons install {}", install.join(" ")),
            Error::Missing { .. } | Error::NoInterpreterIn { .. } => {
                "name an executable, a venv, or a version such as 3.14t".to_owned()
            }
            Error::NotExecutable { path } => {
                format!("chmod +x {}, or name another", path.display())
            }
            Error::Unrunnable { .. } => {
                "check that it was built for this machine and that its loader and libraries are there"
                    .to_owned()
            }
            Error::Failed { path, .. } | Error::TimedOut { path, .. } => {
                format!("see what '{} -c \"import sysconfig\"' does", path.display())
            }
            Error::NotPython { .. } | Error::TooMuch { .. } => "name a Python interpreter".to_owned(),
            Error::NoRecipe { help, .. } => help.clone(),
            Error::Uv { spec, .. } if crate::assemble::knows(spec) => {
                format!("see what 'uv python install {spec}' says, or let ungil assemble it: --with assemble")
            }
            Error::Uv { spec, .. } => format!("see what 'uv python install {spec}' says"),
            Error::Assemble { help, .. } => help.clone(),
            Error::Broken { .. } => "try again; if it stays so, report it with this message".to_owned(),
            Error::Folder { .. } => "make it writable, or set $UNGIL_HOME to a folder that is".to_owned(),
        }
    }
}
