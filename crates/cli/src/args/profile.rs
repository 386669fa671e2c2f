//! The arguments of `ungil profile`.

use super::alloc::Alloc;
use clap::{Args, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

/// Default looks per second.
const RATE_HZ: f64 = 1000.0;

/// `ungil profile`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Profile {
    /// A process (PID), or a Python script to start; write the script's arguments after `--`.
    #[arg(value_name = "PID|SCRIPT", value_hint = ValueHint::FilePath, group = "what")]
    pub(crate) target: Option<OsString>,

    /// Arguments of the script or module.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,

    /// A module to start, like `python -m MODULE`.
    #[arg(short = 'm', long, value_name = "MODULE", group = "what")]
    pub(crate) module: Option<OsString>,

    /// The Python to start it with: a version, a path or a venv (default: python3, or the newest
    /// one found).
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Option<String>,

    /// What to profile.
    #[arg(long, value_name = "MODE", default_value = "wall", help_heading = "What is profiled")]
    pub(crate) mode: Mode,

    /// Looks per second, such as 100, 1khz or 50khz; a look samples every thread (default: 1khz).
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "What is profiled")]
    pub(crate) rate: Option<f64>,

    /// Stop after this time (default: on Ctrl-C, or when the process ends).
    #[arg(short, long, value_name = "TIME", value_parser = duration, help_heading = "What is profiled")]
    pub(crate) duration: Option<f64>,

    /// Profile only these threads, by name or kernel id.
    #[arg(long, value_name = "THREAD", value_delimiter = ',', help_heading = "What is profiled")]
    pub(crate) threads: Vec<String>,

    /// Also profile Python processes that the process starts (default: yes).
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, default_missing_value = "yes", value_parser = yes,
          help_heading = "What is profiled")]
    pub(crate) children: Option<bool>,

    #[command(flatten)]
    pub(crate) alloc: Alloc,

    /// Also show waiting asyncio tasks, as stacks of who awaits whom (with --mode wall, CPython
    /// 3.14 or later).
    #[arg(long, conflicts_with = "no_tasks", help_heading = "What is profiled")]
    pub(crate) tasks: bool,

    /// Do not show which asyncio task a thread runs.
    #[arg(long, help_heading = "What is profiled")]
    pub(crate) no_tasks: bool,

    /// Also show C frames of threads that sleep in a system call; no thread is stopped.
    #[arg(long, help_heading = "What is profiled")]
    pub(crate) native: bool,

    /// Output file; its extension selects the format (default: a recording in .ungil/).
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Output format: flame, speedscope, firefox, pprof, collapsed, recording.
    #[arg(long, value_name = "FORMAT", value_parser = format, help_heading = "Output")]
    pub(crate) format: Option<ungil_profile::Format>,

    /// Convert a recording to another format, and print its summary.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "what", help_heading = "Output")]
    pub(crate) replay: Option<PathBuf>,

    /// Compare two recordings: as text, and as a flame graph with -o.
    #[arg(long, value_names = ["BEFORE", "AFTER"], num_args = 2, value_hint = ValueHint::FilePath, group = "what",
          help_heading = "Output")]
    pub(crate) diff: Vec<PathBuf>,

    /// Print the summary as JSON.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// Do not show progress.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

impl Profile {
    /// Returns the looks per second.
    pub(crate) fn rate_hz(&self) -> f64 {
        self.rate.unwrap_or(RATE_HZ)
    }

    /// Returns whether processes that it starts are profiled too.
    pub(crate) fn children(&self) -> bool {
        self.children.unwrap_or(true)
    }
}

const EXAMPLES: &str = "\
Examples:
  ungil profile 4242 --duration 30s -o app.html
  ungil profile app.py --mode lock -- --workers 8
  ungil profile -m http.server --mode cpu --rate 10khz -- 8080
  ungil profile app.py --mode alloc --every 4KiB
  ungil profile --replay .ungil/app.ungil -o app.speedscope.json
  ungil profile --diff before.ungil after.ungil -o changed.html";

/// What to profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All time of all threads.
    Wall,
    /// CPU time.
    Cpu,
    /// Time waiting for locks.
    Lock,
    /// Time waiting for the GIL, and holding it.
    Gil,
    /// Garbage collection, and threads suspended by it.
    Gc,
    /// Memory, by allocation site.
    Alloc,
}

impl From<Mode> for ungil_profile::Mode {
    fn from(mode: Mode) -> ungil_profile::Mode {
        match mode {
            Mode::Wall => ungil_profile::Mode::Wall,
            Mode::Cpu => ungil_profile::Mode::Cpu,
            Mode::Lock => ungil_profile::Mode::Lock,
            Mode::Gil => ungil_profile::Mode::Gil,
            Mode::Gc => ungil_profile::Mode::Gc,
            Mode::Alloc => ungil_profile::Mode::Alloc,
        }
    }
}

fn format(text: &str) -> Result<ungil_profile::Format, String> {
    ungil_profile::Format::of_name(text).ok_or_else(|| {
        let names: Vec<&str> =
            ungil_profile::Format::ALL.iter().map(|format| format.name()).collect();
        format!("write one of {}", names.join(", "))
    })
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("write yes or no".into()),
    }
}

/// Parses a duration greater than 0.
fn duration(text: &str) -> Result<f64, String> {
    let seconds = super::duration(text)?;
    if seconds > 0.0 { Ok(seconds) } else { Err("write a time greater than 0".into()) }
}

/// Parses a rate: `100`, `100hz`, `1.5khz`, `1MHz`.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor = match lower.get(digits.len()..).unwrap_or("").trim() {
        "" | "hz" => 1.0,
        "k" | "khz" => 1e3,
        "m" | "mhz" => 1e6,
        _ => f64::NAN,
    };
    let rate = digits.parse().unwrap_or(f64::NAN) * factor;
    if (0.1..=1e6).contains(&rate) {
        Ok(rate)
    } else {
        Err("write a rate between 0.1 and 1mhz, such as 100, 1khz or 50khz".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_rates() {
        for (text, hz) in
            [("100", 100.0), ("1khz", 1e3), ("1.5 kHz", 1500.0), ("1MHz", 1e6), ("0.5hz", 0.5)]
        {
            assert_eq!(rate(text), Ok(hz), "{text}");
        }
        for text in ["", "x", "khz", "-1", "0", "2mhz", "1ghz", "nan", "inf", "1e9"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
