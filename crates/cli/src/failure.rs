//! Errors at the edge: three lines on standard error (what, why, what to do) and an exit code.

use crate::clean::harmless;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use ungil_experiment::pythons;
use ungil_experiment::{Error, Failure};
use ungil_remote::AttachError;

/// The measurement failed.
const FAILED: u8 = 1;
/// The request makes no sense.
const USAGE: u8 = 2;
/// `dump` found a deadlock.
pub(crate) const DEADLOCK: u8 = 4;
/// Ended by Ctrl-C or a termination signal: 128 + SIGINT, as a shell would have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Edge {
    failure: Failure,
    code: u8,
}

impl Edge {
    /// A failure of the measurement.
    pub(crate) fn failed(
        what: impl Into<String>,
        why: impl Display,
        help: impl Into<String>,
    ) -> Edge {
        Edge { failure: Failure::new(what, why.to_string(), help), code: FAILED }
    }

    /// A request that makes no sense.
    pub(crate) fn usage(
        what: impl Into<String>,
        why: impl Display,
        help: impl Into<String>,
    ) -> Edge {
        Edge { failure: Failure::new(what, why.to_string(), help), code: USAGE }
    }

    /// The same with the place added where what was measured can be found.
    pub(crate) fn with_record(mut self, path: &std::path::Path) -> Edge {
        let resume = format!(
            "ungil compare --resume {}",
            ungil_experiment::shell::word(&path.to_string_lossy())
        );
        if self.code == INTERRUPTED {
            self.failure.help = format!("what was measured is in the record; go on with {resume}");
        }
        self
    }

    /// The same with another way out.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Edge {
        self.failure.help = help.into();
        self
    }

    /// The same where there is room for one line.
    pub(crate) fn in_one_line(&self) -> String {
        format!("{}: {}; {}", self.failure.what, self.failure.why, self.failure.help)
    }

    /// Prints the three lines and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let Failure { what, why, help } = &self.failure;
        // A path or a name in it may be another's.
        // A blank more or less matters in a line to be run; a line's end would make it two.
        let one_line = |text: &str| {
            harmless(&text.lines().map(str::trim).collect::<Vec<_>>().join(" ")).into_owned()
        };
        let text = format!(
            "ungil: {}\n  why: {}\n  try: {}\n",
            one_line(what),
            one_line(why),
            one_line(help)
        );
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.code)
    }
}

impl From<Error> for Edge {
    fn from(error: Error) -> Edge {
        let code = match error {
            Error::Usage(_) => USAGE,
            Error::Interrupted => INTERRUPTED,
            _ => FAILED,
        };
        Edge { failure: error.failure(), code }
    }
}

impl From<AttachError> for Edge {
    /// A process that cannot be looked into.
    fn from(error: AttachError) -> Edge {
        let what = error.to_string();
        let (why, help) = match error {
            AttachError::NoProcess(_) => ("it has ended, or never was".into(), "pgrep -a python lists the Pythons that run".into()),
            AttachError::Ended(_) => ("its memory went with it".into(), "give a process that lives longer".into()),
            AttachError::Zombie(_) => ("its memory is gone".into(), "look at its parent, which has not asked how it ended".into()),
            AttachError::Kernel(_) => ("it has no memory of its own".into(), "give a process that runs Python".into()),
            AttachError::Denied { why, help, .. } => (why, help),
            AttachError::Exec(_) => ("the kernel has not set the new program up yet".into(), "look again".into()),
            AttachError::NoThread(_) => (
                "the interpreter is starting or ending, or the process is the child of a fork that has not come back to Python".into(),
                "look again; ungil profile PID waits until it can be looked at".into(),
            ),
            AttachError::NotPython { .. } => (
                "no part of its memory begins as CPython's runtime does from 3.13 on".into(),
                "give the interpreter's own process if this one only started it; for an older CPython use py-spy".into(),
            ),
            AttachError::Core(error) => (error.why, error.help),
            AttachError::Layout { why, .. } => (why, "use a release of ungil that knows this CPython".into()),
        };
        Edge::failed(what, why, help)
    }
}

impl From<pythons::Error> for Edge {
    fn from(error: pythons::Error) -> Edge {
        Edge { failure: Failure::new(error.to_string(), error.why(), error.help()), code: USAGE }
    }
}

impl Edge {
    /// What clap has to say: help and versions as it says them, errors in three lines.
    pub(crate) fn of_arguments(error: &clap::Error) -> ExitCode {
        if !error.use_stderr() {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let _ = error.print();
            return ExitCode::from(USAGE);
        }
        if let Some(edge) = script_argument(error) {
            return edge.report();
        }
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
        let what = lines.next().unwrap_or_default().trim_start_matches("error: ").to_string();
        let (usage, why): (Vec<&str>, Vec<&str>) = lines
            .filter(|l| !l.starts_with("For more information"))
            .partition(|l| l.starts_with("Usage:"));
        let usage = usage.first().map_or("ungil --help", |u| u.trim_start_matches("Usage: "));
        let why = if why.is_empty() {
            "that is not how this command is used".into()
        } else {
            why.join(" ")
        };
        Edge::usage(what, why, format!("{usage} (--help says more)")).report()
    }

    /// An installation that went wrong, unless what was asked for cannot be had at all.
    pub(crate) fn of_install(error: pythons::Error) -> Edge {
        let code = if matches!(error, pythons::Error::NoRecipe { .. }) { USAGE } else { FAILED };
        Edge { code, ..Edge::from(error) }
    }
}

/// A word after a script that is no option of ungil's: the script's own arguments follow `--`.
fn script_argument(error: &clap::Error) -> Option<Edge> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let word =
        text(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    // Dashes and three letters in common: an option of ungil's, misspelt.
    if text(ContextKind::SuggestedArg)
        .zip(word.get(..5))
        .is_some_and(|(near, head)| near.starts_with(head))
    {
        return None;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (verb, words) =
        words.split_first().filter(|(verb, _)| ["compare", "profile"].contains(&verb.as_str()))?;
    let at = words
        .iter()
        .position(|w| w == word || w.strip_prefix(word).is_some_and(|w| w.starts_with('=')))?;
    let (before, rest) = words.split_at(at);
    let is_program = |w: &String| w == "-m" || w == "--module" || w.ends_with(".py");
    before.iter().any(is_program).then_some(())?;
    // What is an option again is ungil's, or the user's to sort out.
    let (rest, after) = rest.split_at(rest.iter().position(|w| w == "--").unwrap_or(rest.len()));
    let own = 1 + rest.iter().skip(1).take_while(|w| !w.starts_with('-')).count();
    let (args, options) = rest.split_at(own);
    let separator = "--".to_string();
    let line =
        before.iter().chain(options).chain([&separator]).chain(args).chain(after.iter().skip(1));
    let line: Vec<String> = line.map(|w| ungil_experiment::shell::word(w)).collect();
    Some(Edge::usage(
        format!("'{word}' is not an option of ungil {verb}"),
        "the arguments of a script or module are told apart by `--`",
        format!("arguments follow `--`: ungil {verb} {}", line.join(" ")),
    ))
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Edge> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Edge::failed(
            "cannot write the result",
            e,
            "check where standard output goes, and that there is room",
        )),
        _ => Ok(()),
    }
}
