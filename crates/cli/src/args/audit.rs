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
    /// What to audit: an environment (its folder, its site-packages or its interpreter), wheels,
    /// extension modules, folders of sources, requirements.txt, uv.lock or pylock.toml (default:
    /// $VIRTUAL_ENV or .venv).
    #[arg(value_name = "ENV|WHEEL|FILE|LOCK", value_hint = ValueHint::AnyPath)]
    pub(crate) targets: Vec<PathBuf>,

    /// The build the verdict is for, such as 3.14t or 3.15t: modules that it cannot load are said
    /// not to count.
    #[arg(long = "for", value_name = "BUILD", value_parser = build, help_heading = "What is asked")]
    pub(crate) build: Option<Build>,

    /// Also read Python sources for what breaks when threads run at the same time: those of folders
    /// and files are read anyway, those of installed distributions only with this.
    #[arg(long, help_heading = "What is asked")]
    pub(crate) sources: bool,

    /// Hazards of sources from this confidence on.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Medium, help_heading = "What is asked")]
    pub(crate) confidence: Level,

    /// Where the program begins, for the imports that lead to a module that switches the GIL on: a
    /// module or a file (default: the sources among what is audited, and else the packages that no
    /// other one requires).
    #[arg(long, value_name = "MODULE|FILE", help_heading = "What is asked")]
    pub(crate) from: Vec<String>,

    /// Ask the index, through uv or pip and their settings, whether it has wheels for the build.
    #[arg(long, help_heading = "What is asked")]
    pub(crate) index: bool,

    /// Import each module in an interpreter of its own and compare with the verdict. This runs the
    /// code of what is audited.
    #[arg(long, help_heading = "What is asked")]
    pub(crate) verify: bool,

    /// The free-threaded interpreter of --verify (default: the environment's own, or the one of
    /// --for).
    #[arg(long, value_name = "PYTHON", requires = "verify", help_heading = "What is asked")]
    pub(crate) python: Option<String>,

    /// The longest that one import of --verify may take.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "What is asked")]
    pub(crate) limit: f64,

    /// End with code 3 when any of these is found: gil (a module switches the GIL on), unknown (a
    /// module of which that is not known, or a requirement whose compiled wheel was not read),
    /// claim (a claim that the binary contradicts), difference (verdict and --verify), hazard.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', help_heading = "Output")]
    pub(crate) fail_on: Vec<FailOn>,

    /// The form of what is printed.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Table, help_heading = "Output")]
    pub(crate) format: Form,

    /// The same as --format json.
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    pub(crate) json: bool,

    /// Write it to this file and print only a summary.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Show every module, not only those that need a look.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) all: bool,

    /// No progress.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// How sure a hazard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// All of them.
    Low,
    /// Likely ones and sure ones.
    Medium,
    /// Sure ones.
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

/// What ends an audit with code 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A module switches the GIL on.
    Gil,
    /// Of a module it is not known, or a requirement has a compiled wheel that was not read, or
    /// none.
    Unknown,
    /// A distribution claims what its binary contradicts.
    Claim,
    /// A verdict and what --verify saw are not the same.
    Difference,
    /// A hazard was found in sources.
    Hazard,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For a terminal.
    Table,
    /// One object.
    Json,
    /// For code scanning.
    Sarif,
    /// For a pull request.
    Markdown,
}

fn build(text: &str) -> Result<Build, String> {
    match text.parse::<Build>() {
        Ok(build) if build.free_threaded => Ok(build),
        _ => Err("a free-threaded build is needed, such as 3.14t or 3.15t".into()),
    }
}

const EXAMPLES: &str = "\
Examples:
  ungil audit                                    the environment here
  ungil audit .venv --for 3.14t --sources
  ungil audit dist/*.whl --fail-on gil,unknown
  ungil audit uv.lock --for 3.15t --index
  ungil audit .venv --from app/main.py           the imports by which a program comes to them
  ungil audit src --format sarif -o audit.sarif
  ungil audit .venv --verify --python 3.14t

Nothing of what is audited runs, unless --verify asks for it; nothing leaves the machine, unless --index does.";
