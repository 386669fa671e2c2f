//! Arguments of `ungil audit`.

use super::duration;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use ungil_audit::source::Confidence;
use ungil_audit::target::Build;

/// `ungil audit`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Audit {
    /// What to audit: an environment (its folder, site-packages or interpreter), wheels, extension
    /// modules, folders or files of Python sources, requirements.txt, uv.lock or pylock.toml
    /// (default: $VIRTUAL_ENV, else .venv).
    #[arg(value_name = "ENV|WHEEL|FILE|LOCK", value_hint = ValueHint::AnyPath)]
    pub(crate) targets: Vec<PathBuf>,

    /// Free-threaded build to audit for, such as 3.14t or 3.15t (default: the build of the
    /// environment, else 3.14t). Files that this build cannot import are listed, not analyzed.
    #[arg(long = "for", value_name = "BUILD", value_parser = build, help_heading = "Audit")]
    pub(crate) build: Option<Build>,

    /// Also check the Python sources of installed distributions and wheels. Sources among the
    /// targets are always checked.
    #[arg(long, help_heading = "Audit")]
    pub(crate) sources: bool,

    /// Report hazards in sources with at least this confidence.
    #[arg(
        long,
        value_enum,
        value_name = "LEVEL",
        default_value_t = Level::Medium,
        help_heading = "Audit"
    )]
    pub(crate) confidence: Level,

    /// Entry point of the program, from which to search import chains to modules that enable the
    /// GIL (default: the sources among the targets, else the packages that no other package
    /// requires).
    #[arg(long, value_name = "MODULE|FILE", help_heading = "Audit")]
    pub(crate) from: Vec<String>,

    /// Look up wheels for the build in the package index, through uv or pip and their settings.
    #[arg(long, help_heading = "Audit")]
    pub(crate) index: bool,

    /// Import each module in an interpreter of its own and compare the effect with the verdict.
    /// This runs the audited code.
    #[arg(long, help_heading = "Audit")]
    pub(crate) verify: bool,

    /// Free-threaded interpreter for --verify (default: one of the audited build).
    #[arg(long, value_name = "PYTHON", requires = "verify", help_heading = "Audit")]
    pub(crate) python: Option<String>,

    /// Time limit of --verify for each import.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = duration,
        help_heading = "Audit"
    )]
    pub(crate) limit: f64,

    /// Exit with code 3 if any of these is found: gil (a module enables the GIL), unknown (a module
    /// with an unknown effect, or a requirement whose compiled wheel is missing or was not read),
    /// claim (a claim that a module contradicts), difference (a verdict that --verify contradicts),
    /// hazard (in sources).
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', help_heading = "Output")]
    pub(crate) fail_on: Vec<FailOn>,

    /// Output format.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = AuditFormat::Table,
        help_heading = "Output"
    )]
    pub(crate) format: AuditFormat,

    /// Same as --format json.
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    pub(crate) json: bool,

    /// Write the report to this file and print only a summary.
    #[arg(
        short,
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = "Output"
    )]
    pub(crate) output: Option<PathBuf>,

    /// List every module, not only those that enable the GIL or are unknown.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) all: bool,

    /// Do not show progress.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Minimum confidence of reported hazards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// All hazards.
    Low,
    /// Likely and certain hazards.
    Medium,
    /// Certain hazards.
    High,
}

impl From<Level> for Confidence {
    fn from(level: Level) -> Confidence {
        match level {
            Level::Low => Confidence::Low,
            Level::Medium => Confidence::Medium,
            Level::High => Confidence::High,
        }
    }
}

/// Condition for exit code 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A module enables the GIL.
    Gil,
    /// The effect of a module or requirement is unknown.
    Unknown,
    /// A distribution claims to run without the GIL, but a module enables it.
    Claim,
    /// A verdict differs from the result of --verify.
    Difference,
    /// A hazard was found in sources.
    Hazard,
}

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// Text for a terminal.
    Table,
    /// One JSON object.
    Json,
    /// SARIF for code scanning.
    Sarif,
    /// Markdown for a pull request.
    Markdown,
}

fn build(text: &str) -> Result<Build, String> {
    match text.parse::<Build>() {
        Ok(build) if build.free_threaded => Ok(build),
        _ => Err("expected a free-threaded build, such as 3.14t or 3.15t".into()),
    }
}

const EXAMPLES: &str = "\
Examples:
  ungil audit                                    audit the active environment
  ungil audit .venv --for 3.14t --sources        also check installed Python sources
  ungil audit dist/*.whl --fail-on gil,unknown   check wheels before publishing
  ungil audit uv.lock --for 3.15t --index        look up wheels for locked projects
  ungil audit .venv --from app/main.py           show import chains from a program
  ungil audit src --format sarif -o audit.sarif  write a report for code scanning
  ungil audit .venv --verify --python 3.14t      check the verdicts by importing

Audited code runs only with --verify, and the network is used only with --index.";
