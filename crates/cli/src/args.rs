//! The command line. `--help`, completions and man pages are generated from these definitions.

#[cfg(feature = "live")]
mod alloc;
#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "live")]
mod dump;
#[cfg(feature = "live")]
mod heap;
#[cfg(feature = "live")]
mod profile;
#[cfg(feature = "suite")]
mod report;
#[cfg(feature = "stress")]
mod stress;
#[cfg(feature = "suite")]
mod suite;
#[cfg(feature = "live")]
mod target;
#[cfg(feature = "live")]
mod top;
mod values;

#[cfg(feature = "audit")]
pub(crate) use audit::{Audit, AuditFormat, FailOn};
use clap::{Args, Parser, Subcommand, ValueHint};
#[cfg(feature = "live")]
pub(crate) use dump::Dump;
#[cfg(feature = "live")]
pub(crate) use heap::{Heap, Order};
#[cfg(feature = "live")]
pub(crate) use profile::{Mode as ProfileMode, Profile};
#[cfg(feature = "suite")]
pub(crate) use report::{ReportArgs, ReportFormat};
use std::path::PathBuf;
#[cfg(feature = "stress")]
pub(crate) use stress::Stress;
#[cfg(feature = "suite")]
pub(crate) use suite::Suite;
#[cfg(feature = "live")]
pub(crate) use target::{CoreFiles, Target};
#[cfg(feature = "live")]
pub(crate) use top::{Sort, Top};
pub(crate) use values::{Also, bytes, duration, scale, share};

/// Measure and examine Python programs with and without the GIL.
#[derive(Debug, Parser)]
#[command(name = "ungil", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 failure, 2 usage error, 3 a --fail-if or --fail-on bound was crossed, 4 dump found a deadlock, 5 stress found an error or warning, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find extension modules that re-enable the GIL, and thread-unsafe Python code.
    #[cfg(feature = "audit")]
    Audit(Audit),
    /// Show every thread of a Python process or core file: stacks, locks, deadlocks.
    #[cfg(feature = "live")]
    Dump(Dump),
    /// Measure a workload with and without the GIL: time, CPU, memory, energy.
    Compare(Box<Compare>),
    /// Show what fills the memory of a Python process or core file.
    #[cfg(feature = "live")]
    Heap(Heap),
    /// List or install Python interpreters, with and without the GIL.
    Pythons(Pythons),
    /// Profile a Python process or program: CPU, locks, GIL, garbage collector, allocations.
    #[cfg(feature = "live")]
    Profile(Box<Profile>),
    /// Render records as an HTML page, Markdown, CSV or SVG.
    #[cfg(feature = "suite")]
    Report(ReportArgs),
    /// Search a Python program for races, deadlocks and lost updates, and show a finding again.
    #[cfg(feature = "stress")]
    Stress(Box<Stress>),
    /// Run the study's benchmark suite with and without the GIL.
    #[cfg(feature = "suite")]
    Suite(Box<Suite>),
    /// Watch a Python process: threads, locks, hot lines, pauses, memory.
    #[cfg(feature = "live")]
    Top(Top),
    /// Print a completion script for a shell.
    #[cfg(feature = "shell")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages to a folder.
    #[cfg(feature = "shell")]
    Man {
        /// The folder; created if missing.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Print `ungil_phase.py`, the module that marks the part of a workload to measure.
    Phase,
}

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Compare {
    /// Python script to measure; its arguments follow `--`.
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath, group = "workload")]
    pub(crate) script: Option<PathBuf>,

    /// Arguments of the script or module; `{workers}` and `{python}` are replaced for each arm.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,

    /// Module to run as `python -m MODULE`.
    #[arg(short = 'm', long, value_name = "MODULE", group = "workload")]
    pub(crate) module: Option<String>,

    /// Command with `{python}` in it, and `{workers}` if it takes a number of workers. It is run
    /// without a shell.
    #[arg(long, value_name = "COMMAND", group = "workload")]
    pub(crate) command: Option<String>,

    /// Function to call on each of --items, under each of --models.
    #[arg(long, value_name = "MODULE:FUNCTION", group = "workload", requires = "items")]
    pub(crate) task: Option<String>,

    /// Python expression for the items of --task.
    #[arg(long, value_name = "EXPRESSION", requires = "task")]
    pub(crate) items: Option<String>,

    /// Items a worker takes at once (default: a quarter of its share).
    #[arg(long, value_name = "N", requires = "task", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) chunk: Option<u32>,

    /// Service command with `{python}` and `{port}` in it, measured under --load.
    #[arg(long, value_name = "COMMAND", group = "workload", requires = "load")]
    pub(crate) serve: Option<String>,

    /// Load generator command with `{url}` or `{port}` in it; output of wrk, oha and hey is
    /// understood.
    #[arg(long, value_name = "COMMAND", requires = "serve")]
    pub(crate) load: Option<String>,

    /// How to tell that the service is ready: a URL that answers GET with a status below 500,
    /// `regex:PATTERN` in its output, or a command that exits with 0 (default: the URL in --load,
    /// answered by every worker process).
    #[arg(long, value_name = "URL|regex:PATTERN|COMMAND", requires = "serve")]
    pub(crate) ready: Option<String>,

    /// Time after which a service that is not ready is a failure (default: 60s).
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "serve")]
    pub(crate) ready_timeout: Option<f64>,

    /// Time between readiness and load, for caches and background work to settle (default: none).
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "serve")]
    pub(crate) settle: Option<f64>,

    /// Further metric in the load generator's output: a regular expression with one named group.
    #[arg(long = "metric", value_name = "REGEX", requires = "serve")]
    pub(crate) metrics: Vec<String>,

    /// Pythons to compare, the baseline first: versions, paths or virtual environments; `3.14t+gil`
    /// is 3.14t with PYTHON_GIL=1 (default: the newest GIL build and its free-threaded twin).
    #[arg(long, value_name = "PYTHON", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) python: Vec<String>,

    /// Execution models of a task: sequential, threads, fork, spawn, forkserver, interpreters,
    /// asyncio (default: sequential, threads, forkserver, interpreters).
    #[arg(long, value_name = "MODEL", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) models: Vec<String>,

    /// Numbers of workers (default: 1, 2, 4 .. cores).
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) workers: Vec<u32>,

    /// Program other than Python to measure as well, such as `native='./native --jobs {workers}'`.
    #[arg(long, value_name = "NAME=COMMAND", help_heading = "Arms")]
    pub(crate) also: Vec<Also>,

    /// Also compare the baseline with itself, to show what noise alone looks like.
    #[arg(long, help_heading = "Arms")]
    pub(crate) aa: bool,

    /// Minimum number of blocks; each runs every arm once, in random order. Fewer than 5 decide
    /// nothing.
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "How long",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: u32,

    /// Maximum number of blocks.
    #[arg(long, value_name = "N", help_heading = "How long", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_blocks: Option<u32>,

    /// Stop when every interval of the main metric is at most this half-width.
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = share, help_heading = "How long")]
    pub(crate) precision: f64,

    /// Start no block after this time, once --blocks are done.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration, help_heading = "How long")]
    pub(crate) time_limit: f64,

    /// Kill a run, and all processes it started, after this time.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How long")]
    pub(crate) timeout: Option<f64>,

    /// Warm-up runs of each arm, which are not counted.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "How long")]
    pub(crate) warmup: u32,

    /// Seed of the random order (default: from the clock; it is recorded).
    #[arg(long, value_name = "N", help_heading = "How long")]
    pub(crate) seed: Option<u64>,

    /// Do not fail when arms print different output.
    #[arg(long, help_heading = "What is an error")]
    pub(crate) allow_different_output: bool,

    /// Continue without an arm that fails, except the baseline.
    #[arg(long, help_heading = "What is an error")]
    pub(crate) keep_going: bool,

    /// Exit with 3 if a bound is crossed with confidence: a ratio with the baseline,
    /// `time(3.14t,threads,4) > 1.05`, or a value with a unit, `rss(3.14t,4) > 512 MiB`,
    /// `failed(3.14t) > 0.1%`.
    #[arg(long, value_name = "BOUND", help_heading = "What is an error")]
    pub(crate) fail_if: Vec<String>,

    /// Energy sensor: auto, powercap, perf, nvml, model, meter=COMMAND or off. `powercap=DIR` and
    /// `perf=DIR` read another folder than /sys.
    #[arg(long, value_name = "SENSOR", default_value = "auto", help_heading = "Energy")]
    pub(crate) energy: String,

    /// Time to measure the idle machine first, if there is a sensor.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, help_heading = "Energy")]
    pub(crate) idle: f64,

    /// File of the record (default: a new one under .ungil/).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    /// Continue an interrupted record with its own settings. A complete record is printed again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output",
          conflicts_with_all = ["workload", "out", "args", "items", "chunk", "load", "ready", "ready_timeout", "settle", "metrics", "python", "models", "workers",
            "also", "aa", "blocks", "max_blocks", "precision", "time_limit", "timeout", "warmup", "seed",
            "allow_different_output", "keep_going", "energy", "idle"])]
    pub(crate) resume: Option<PathBuf>,

    /// Print a record again without running anything.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output",
          conflicts_with_all = ["resume", "workload", "out", "args", "items", "chunk", "load", "metrics", "python", "models",
            "workers", "also", "aa", "blocks", "max_blocks", "precision", "time_limit", "timeout", "warmup", "seed",
            "allow_different_output", "keep_going", "energy", "idle"])]
    pub(crate) replay: Option<PathBuf>,

    /// Print the comparison as JSON.
    #[arg(long, help_heading = "Output", conflicts_with = "csv")]
    pub(crate) json: bool,

    /// Print the comparison as CSV, one row per arm and metric.
    #[arg(long, help_heading = "Output")]
    pub(crate) csv: bool,

    /// Show every column of the table (default: the columns that fit the terminal or $COLUMNS; 120
    /// characters if the output is no terminal).
    #[arg(long, help_heading = "Output")]
    pub(crate) wide: bool,

    /// Show no progress.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  ungil compare primes.py -- --n 200000 --workers {workers}
  ungil compare -m pkg.bench -- --fast
  ungil compare --command '{python} -m app --jobs {workers}'
  ungil compare --task pkg.mod:func --items 'range(64)' --models sequential,threads,spawn
  ungil compare --serve '{python} -m http.server {port}' --load 'wrk -t2 -c32 -d5s {url}'
  ungil compare work.py --python 3.14,3.14t,3.14t+gil --fail-if 'time(3.14t) > 1.05'
  ungil compare --resume .ungil/FILE.jsonl
  ungil compare --replay .ungil/FILE.jsonl --json

Mark the part to measure with two lines; the module is on the workload's path:
  from ungil_phase import phase
  with phase(): ...";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Pythons {
    /// Print all details as JSON.
    #[arg(long)]
    pub(crate) json: bool,

    /// Show every column of the table (default: the columns that fit the terminal or $COLUMNS; 120
    /// characters if the output is no terminal).
    #[arg(long)]
    pub(crate) wide: bool,

    #[command(subcommand)]
    pub(crate) command: Option<PythonsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PythonsCommand {
    /// Install Pythons: with uv if it is available, otherwise from PyPI and Debian packages.
    Install {
        /// Versions, such as 3.14 or 3.14t.
        #[arg(required = true, value_name = "VERSION")]
        versions: Vec<String>,
        /// Installer: auto, uv or assemble (from PyPI and Debian packages).
        #[arg(long, value_name = "HOW", default_value = "auto")]
        with: String,
    },
}
