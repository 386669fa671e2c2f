//! Arguments of `ungil stress`.

use super::duration;
use clap::Args;
use std::path::PathBuf;

/// `ungil stress`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Stress {
    /// The program: a script, `-m MODULE`, or a command that starts Python (`pytest`, `python`), with
    /// its arguments.
    #[arg(
        value_name = "PROGRAM",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "replay"
    )]
    pub(crate) program: Vec<String>,

    /// The free-threaded Python to run it with: a version, a path or a venv (default: the newest).
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Option<String>,

    /// Start no further run after this time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) budget: f64,

    /// Number of runs at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Stop after the first run that shows an error or warning.
    #[arg(short = 'x', long)]
    pub(crate) first: bool,

    /// End a run that takes longer.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: f64,

    /// With pytest: call each test function in this many threads at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: u32,

    /// Seed of the pauses.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Look at the code below this path too, for the standard library.
    #[arg(long, value_name = "PATH")]
    pub(crate) include: Vec<PathBuf>,

    /// Do not look at the code below this path.
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<PathBuf>,

    /// Show a finding again: the token of its message, or the file of the schedule.
    #[arg(long, value_name = "TOKEN|FILE", conflicts_with = "program")]
    pub(crate) replay: Option<String>,

    /// Show notes too: unordered accesses that are probably meant.
    #[arg(long)]
    pub(crate) notes: bool,

    /// Print JSON; the program's output goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ungil stress app.py
  ungil stress --budget 60s -- pytest tests/
  ungil stress --python 3.15t -- -m mypackage --option
  ungil stress --replay 3f2a91c07e

Exit codes: 0 nothing found, 1 the program fails in every run, 2 usage error, 5 errors or warnings
found, 130 interrupted.
";
