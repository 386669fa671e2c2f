//! Why allocations cannot be profiled: what, why, and what to do.

use cpython_layout::{NEWEST, OLDEST};
use std::io;
use std::process::ExitStatus;
use thiserror::Error;
use ungil_hook::wire::refusal;
use ungil_remote::AttachError;

/// Why there is no profile.
#[derive(Debug, Error)]
pub enum Error {
    /// The files or the shared table cannot be made.
    #[error("cannot prepare the profile")]
    Prepare(#[source] io::Error),
    /// The interpreter cannot be run.
    #[error("cannot start {program}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The program ended before the library was loaded.
    #[error("the program ended before its allocations could be watched ({status})")]
    Early {
        /// How it ended.
        status: ExitStatus,
    },
    /// The library said no.
    #[error("this Python's allocations cannot be watched")]
    Refused(u64),
    /// The library could not be loaded.
    #[error("the target could not load ungil's library")]
    Load(String),
    /// The process cannot be looked into.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// It is too old to be asked.
    #[error("process {pid} runs Python {version}, which cannot be asked to run anything")]
    TooOld {
        /// The process.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// Its main thread has ended.
    #[error("the main thread of process {0} has ended")]
    NoMainThread(u32),
    /// `sys.remote_exec` failed.
    #[error("process {pid} does not let itself be asked")]
    Asked {
        /// The process.
        pid: u32,
        /// What Python said.
        said: String,
    },
    /// The request was put, but the target's main thread did not come by.
    #[error("process {pid} was asked, but did not answer within {waited_s:.0} s")]
    Silent {
        /// The process.
        pid: u32,
        /// How long was waited.
        waited_s: f64,
        /// What its main thread does, if that is known.
        doing: String,
    },
    /// It ended meanwhile.
    #[error("process {0} ended before its allocations could be watched")]
    Ended(u32),
    /// What was measured cannot be read.
    #[error("cannot read what was measured")]
    Read(#[source] io::Error),
    /// Stopped by the user before anything was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
}

impl Error {
    /// Why.
    pub fn why(&self) -> String {
        match self {
            Error::Prepare(e) | Error::Read(e) | Error::Start { source: e, .. } => e.to_string(),
            Error::Early { .. } => "its own words are above, if it had any".into(),
            Error::Refused(why) => refused(*why).into(),
            Error::Load(why) => why.clone(),
            Error::Attach(AttachError::Denied { why, .. } | AttachError::Layout { why, .. }) => {
                why.clone()
            }
            Error::Attach(error) => error.to_string(),
            Error::TooOld { .. } => "sys.remote_exec (PEP 768) came with Python 3.14".into(),
            Error::NoMainThread(_) => {
                "only the main thread runs what a Python is asked to (sys.remote_exec)".into()
            }
            Error::Asked { said, .. } => said.clone(),
            Error::Silent { doing, .. } => doing.clone(),
            Error::Ended(_) => "it is gone".into(),
            Error::Interrupted => "Ctrl-C, or a signal that ends programs".into(),
        }
    }

    /// What to do.
    pub fn help(&self) -> String {
        match self {
            Error::Prepare(_) => "make room, or point TMPDIR at a folder you may write and run programs from",
            Error::Start { .. } => "name an interpreter that is there; `ungil pythons` lists them",
            Error::Early { .. } => "run the program without ungil, to see whether it starts at all",
            Error::Refused(refusal::TWICE) => "wait for the other profile of this process to end",
            Error::Refused(_) => return format!("use CPython 3.{OLDEST} to 3.{NEWEST}"),
            Error::Load(_) => "use an interpreter with ctypes, and a TMPDIR that is not mounted noexec",
            Error::Attach(AttachError::Denied { help, .. }) => help,
            Error::Attach(_) | Error::Ended(_) => "give the number of a Python process that runs; `ungil top` lists them",
            Error::TooOld { .. } | Error::NoMainThread(_) => "start the program under ungil: `ungil profile --mode alloc script.py`",
            Error::Asked { .. } => {
                "run ungil as the same user or as root; the target must not have PYTHON_DISABLE_REMOTE_DEBUG or \
                 -X disable-remote-debug"
            }
            Error::Silent { .. } => {
                "try again when its main thread runs Python code, or start the program under ungil; `ungil dump` says \
                 where it is"
            }
            Error::Read(_) | Error::Interrupted => "try again",
        }
        .into()
    }
}

fn refused(why: u64) -> &'static str {
    match why {
        refusal::TABLE => "it cannot open the table that ungil made for it",
        refusal::FOREIGN => "the table is not one that this library knows",
        refusal::SYMBOLS => "a function of CPython's interface is not in the process",
        refusal::LAYOUT => "it is a CPython whose layout is not known",
        refusal::TWICE => "its allocations are being watched already",
        _ => "for a reason that this version of ungil does not know",
    }
}
