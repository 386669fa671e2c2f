//! Errors of the program: three lines on standard error (what, why, what to do) and an exit code.

use crate::sanitize::sanitize_all;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use ungil_experiment::pythons;
use ungil_experiment::{Error, Failure};
use ungil_remote::AttachError;

/// Exit code: the command failed.
const FAILED: u8 = 1;
/// Exit code: the arguments are invalid.
const USAGE: u8 = 2;
/// Exit code: `dump` found a deadlock.
pub(crate) const DEADLOCK: u8 = 4;
/// Exit code: `stress` found an error or warning.
pub(crate) const FINDINGS: u8 = 5;
/// Exit code: ended by Ctrl-C or a termination signal; 128 + SIGINT, as in shells.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error with the program's exit code.
#[derive(Debug)]
pub(crate) struct CliError {
    failure: Failure,
    code: u8,
}

impl CliError {
    /// Returns the error of a command that failed.
    pub(crate) fn failed(
        what: impl Into<String>,
        why: impl Display,
        help: impl Into<String>,
    ) -> CliError {
        CliError { failure: Failure::new(what, why.to_string(), help), code: FAILED }
    }

    /// Returns the error of invalid arguments.
    pub(crate) fn usage(
        what: impl Into<String>,
        why: impl Display,
        help: impl Into<String>,
    ) -> CliError {
        CliError { failure: Failure::new(what, why.to_string(), help), code: USAGE }
    }

    /// Adds the record that holds what was measured before an interruption.
    pub(crate) fn with_record(mut self, path: &std::path::Path) -> CliError {
        let resume = format!(
            "ungil compare --resume {}",
            ungil_experiment::shell::word(&path.to_string_lossy())
        );
        if self.code == INTERRUPTED {
            self.failure.help =
                format!("the record keeps what was measured; continue it: {resume}");
        }
        self
    }

    /// Replaces the help.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> CliError {
        self.failure.help = help.into();
        self
    }

    /// Returns the error as one line.
    pub(crate) fn in_one_line(&self) -> String {
        format!("{}: {}; {}", self.failure.what, self.failure.why, self.failure.help)
    }

    /// Prints the error and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let Failure { what, why, help } = &self.failure;
        // Paths and names in the text are untrusted. Blanks within a line are kept, because the
        // line may be a command to run.
        let one_line = |text: &str| {
            sanitize_all(&text.lines().map(str::trim).collect::<Vec<_>>().join(" ")).into_owned()
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

impl From<Error> for CliError {
    fn from(error: Error) -> CliError {
        let code = match error {
            Error::Usage(_) => USAGE,
            Error::Interrupted => INTERRUPTED,
            _ => FAILED,
        };
        CliError { failure: error.failure(), code }
    }
}

impl From<AttachError> for CliError {
    fn from(error: AttachError) -> CliError {
        let what = error.to_string();
        let (why, help) = match error {
            AttachError::NoProcess(_) => ("there is no process with this id".into(), "pgrep -a python lists running Pythons".into()),
            AttachError::Ended(_) => ("it ended while it was read".into(), "give a process that runs longer".into()),
            AttachError::Zombie(_) => ("it has ended; its parent has not waited for it".into(), "look at its parent".into()),
            AttachError::Kernel(_) => ("it is a kernel thread without memory of its own".into(), "give a process that runs Python".into()),
            AttachError::Denied { why, help, .. } => (why, help),
            AttachError::Exec(_) => ("the process is in the middle of an exec".into(), "try again".into()),
            AttachError::NoThread(_) => (
                "the interpreter is starting or ending, or the process is a forked child that has not returned to Python".into(),
                "try again; ungil profile PID waits until it can be read".into(),
            ),
            AttachError::NotPython { .. } => (
                "its memory has no runtime of CPython 3.13 or newer".into(),
                "give the interpreter's own process if this one only started it; for an older CPython use py-spy".into(),
            ),
            AttachError::Core(error) => (error.why, error.help),
            AttachError::Layout { why, .. } => (why, "use a release of ungil that supports this CPython".into()),
        };
        CliError::failed(what, why, help)
    }
}

impl From<pythons::Error> for CliError {
    fn from(error: pythons::Error) -> CliError {
        CliError {
            failure: Failure::new(error.to_string(), error.why(), error.help()),
            code: USAGE,
        }
    }
}

impl CliError {
    /// Prints help and versions as clap formats them, and errors in three lines; returns the exit
    /// code.
    pub(crate) fn report_arguments(error: &clap::Error) -> ExitCode {
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
            "the arguments do not match the usage".into()
        } else {
            why.join(" ")
        };
        CliError::usage(what, why, format!("{usage} (see --help)")).report()
    }

    /// Returns the error of an installation: a usage error if the version cannot be installed at
    /// all.
    pub(crate) fn from_install(error: pythons::Error) -> CliError {
        let code = if matches!(error, pythons::Error::NoRecipe { .. }) { USAGE } else { FAILED };
        CliError { code, ..CliError::from(error) }
    }
}

/// Detects an argument of the script that is not separated by `--`, and returns an error with the
/// corrected command line.
fn script_argument(error: &clap::Error) -> Option<CliError> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let word =
        text(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    // Dashes and three letters in common with an option: a misspelt option of ungil.
    if text(ContextKind::SuggestedArg)
        .zip(word.get(..5))
        .is_some_and(|(near, head)| near.starts_with(head))
    {
        return None;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (command, words) = words
        .split_first()
        .filter(|(command, _)| ["compare", "profile"].contains(&command.as_str()))?;
    let at = words
        .iter()
        .position(|w| w == word || w.strip_prefix(word).is_some_and(|w| w.starts_with('=')))?;
    let (before, rest) = words.split_at(at);
    let is_program = |w: &String| w == "-m" || w == "--module" || w.ends_with(".py");
    before.iter().any(is_program).then_some(())?;
    // Only the option and its values are moved behind `--`; further options are left in place.
    let (rest, after) = rest.split_at(rest.iter().position(|w| w == "--").unwrap_or(rest.len()));
    let own = 1 + rest.iter().skip(1).take_while(|w| !w.starts_with('-')).count();
    let (args, options) = rest.split_at(own);
    let separator = "--".to_string();
    let line =
        before.iter().chain(options).chain([&separator]).chain(args).chain(after.iter().skip(1));
    let line: Vec<String> = line.map(|w| ungil_experiment::shell::word(w)).collect();
    Some(CliError::usage(
        format!("'{word}' is not an option of ungil {command}"),
        "arguments of a script or module must be separated by `--`",
        format!("arguments follow `--`: ungil {command} {}", line.join(" ")),
    ))
}

/// Prints to standard output. A closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(CliError::failed(
            "cannot write the result",
            e,
            "check the destination of standard output and its free space",
        )),
        _ => Ok(()),
    }
}
