//! The command line. Completions and man pages are made from these definitions, so each says what a
//! user must know.

mod alloc;
mod audit;
mod dump;
mod heap;
mod profile;
mod report;
mod suite;
mod target;
mod top;
mod values;

pub(crate) use audit::{Audit, AuditFormat, FailOn};
use clap::{Args, Parser, Subcommand, ValueHint};
pub(crate) use dump::Dump;
pub(crate) use heap::{Heap, Order};
pub(crate) use profile::{Mode as ProfileMode, Profile};
pub(crate) use report::{Form as ReportForm, Report};
use std::path::PathBuf;
pub(crate) use suite::Suite;
pub(crate) use target::{CoreFiles, Target};
pub(crate) use top::{Sort, Top};
pub(crate) use values::{Also, bytes, duration, scale, share};

/// What happens to your Python when the GIL goes away, and what to do about it.
#[derive(Debug, Parser)]
#[command(name = "ungil", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 the measurement failed, 2 usage, 3 a --fail-if or --fail-on bound was crossed, 4 dump found a deadlock, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say which extension modules switch the GIL back on, from their binaries alone, and which
    /// sources threads break.
    Audit(Audit),
    /// Show what every thread of a live Python, or of a core file, does, waits for and holds, and
    /// find deadlocks.
    Dump(Dump),
    /// Compare a workload with and without the GIL: time, cores, memory, energy.
    Compare(Box<Compare>),
    /// Say what fills a Python's memory, live or in a core file: objects by type, growth,
    /// allocators, stacks.
    Heap(Heap),
    /// List the Pythons found here, and pair GIL builds with their free-threaded twins; or install
    /// one.
    Pythons(Pythons),
    /// Profile a live Python or a program: running, waiting for locks, the GIL, the collector,
    /// allocations.
    Profile(Box<Profile>),
    /// Make a page of records: words, charts, machine, every run; or Markdown, CSV, pictures.
    Report(Report),
    /// Run the study: its workloads with and without the GIL, a table a category, findings beside
    /// the paper's.
    Suite(Box<Suite>),
    /// Watch a live Python: threads, locks, hot lines, pauses, memory.
    Top(Top),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages into a folder.
    Man {
        /// The folder; made if it is not there.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Print `ungil_phase.py`, the module with which a workload marks the part that counts.
    Phase,
}

/// `ungil compare`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Compare {
    /// A Python script to compare; its own arguments follow `--`.
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath, group = "workload")]
    pub(crate) script: Option<PathBuf>,

    /// Arguments of the script or module. `{workers}` and `{python}` are filled in for each arm.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,

    /// A module to run as `python -m MODULE`.
    #[arg(short = 'm', long, value_name = "MODULE", group = "workload")]
    pub(crate) module: Option<String>,

    /// A command with `{python}` in it, and `{workers}` if it takes a number of workers. No shell
    /// is involved.
    #[arg(long, value_name = "COMMAND", group = "workload")]
    pub(crate) command: Option<String>,

    /// One function, run over --items under each of --models.
    #[arg(long, value_name = "MODULE:FUNCTION", group = "workload", requires = "items")]
    pub(crate) task: Option<String>,

    /// A Python expression that gives the items of --task.
    #[arg(long, value_name = "EXPRESSION", requires = "task")]
    pub(crate) items: Option<String>,

    /// Items given to a worker at once (default: a quarter of each worker's share).
    #[arg(long, value_name = "N", requires = "task", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) chunk: Option<u32>,

    /// A service's command with `{python}` and `{port}` in it, measured under --load.
    #[arg(long, value_name = "COMMAND", group = "workload", requires = "load")]
    pub(crate) serve: Option<String>,

    /// The load generator's command, with `{url}` or `{port}` in it; wrk, oha and hey are
    /// understood.
    #[arg(long, value_name = "COMMAND", requires = "serve")]
    pub(crate) load: Option<String>,

    /// What says that the service is ready: a URL, GET until it answers below 500; `regex:PATTERN`
    /// in its output; or a command that exits with 0 (default: a GET of the URL in --load, answered
    /// for every worker process).
    #[arg(long, value_name = "URL|regex:PATTERN|COMMAND", requires = "serve")]
    pub(crate) ready: Option<String>,

    /// Fail if the service is not ready after this time (default: 60s).
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "serve")]
    pub(crate) ready_timeout: Option<f64>,

    /// Time between ready and the load, for caches and background work to settle (default: none).
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "serve")]
    pub(crate) settle: Option<f64>,

    /// A further figure in the load generator's output: a regular expression with one named group.
    #[arg(long = "metric", value_name = "REGEX", requires = "serve")]
    pub(crate) metrics: Vec<String>,

    /// Pythons to compare, the baseline first: versions, paths, venvs; `3.14t+gil` is 3.14t with
    /// PYTHON_GIL=1 (default: the newest GIL build and its free-threaded twin).
    #[arg(long, value_name = "PYTHON", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) python: Vec<String>,

    /// Execution models of a task: sequential, threads, fork, spawn, forkserver, interpreters,
    /// asyncio (default: sequential, threads, forkserver, interpreters).
    #[arg(long, value_name = "MODEL", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) models: Vec<String>,

    /// Numbers of workers (default: 1, 2, 4 .. cores).
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) workers: Vec<u32>,

    /// A program that is not Python to put beside them, for example `native='./native --jobs
    /// {workers}'`.
    #[arg(long, value_name = "NAME=COMMAND", help_heading = "Arms")]
    pub(crate) also: Vec<Also>,

    /// Run the baseline twice and report what noise alone looks like.
    #[arg(long, help_heading = "Arms")]
    pub(crate) aa: bool,

    /// Fewest blocks; each runs every arm once, in random order. Fewer than 5 decide nothing.
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "How long",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: u32,

    /// Most blocks.
    #[arg(long, value_name = "N", help_heading = "How long", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_blocks: Option<u32>,

    /// Stop when every interval of the headline metric is within this half-width.
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = share, help_heading = "How long")]
    pub(crate) precision: f64,

    /// Begin no further block after this time, once the fewest are done.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration, help_heading = "How long")]
    pub(crate) time_limit: f64,

    /// End a run, and everything it started, after this time.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How long")]
    pub(crate) timeout: Option<f64>,

    /// Runs of each arm before anything is measured.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "How long")]
    pub(crate) warmup: u32,

    /// Seed of the random order, so that an experiment can be repeated (default: from the clock; it
    /// is recorded).
    #[arg(long, value_name = "N", help_heading = "How long")]
    pub(crate) seed: Option<u64>,

    /// Do not fail when the arms print different things.
    #[arg(long, help_heading = "What is an error")]
    pub(crate) allow_different_output: bool,

    /// Go on without an arm that fails (not without the baseline).
    #[arg(long, help_heading = "What is an error")]
    pub(crate) keep_going: bool,

    /// Exit with 3 if a bound is surely crossed: a ratio with the baseline, `time(3.14t,threads,4) > 1.05`, or a figure
    /// with a unit, `rss(3.14t,4) > 512 MiB`, `failed(3.14t) > 0.1%`.
    #[arg(long, value_name = "BOUND", help_heading = "What is an error")]
    pub(crate) fail_if: Vec<String>,

    /// Where joules come from: auto, powercap, perf, nvml, model, meter=COMMAND, off.
    /// `powercap=DIR` and `perf=DIR` look elsewhere than in /sys.
    #[arg(long, value_name = "SENSOR", default_value = "auto", help_heading = "Energy")]
    pub(crate) energy: String,

    /// How long to measure the idle machine first, where a sensor measures.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, help_heading = "Energy")]
    pub(crate) idle: f64,

    /// The record's file (default: a new one under .ungil/).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    /// Go on with an interrupted record; everything else is taken from it. One that is complete is
    /// printed again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output",
          conflicts_with_all = ["workload", "out", "args", "items", "chunk", "load", "ready", "ready_timeout", "settle", "metrics", "python", "models", "workers",
            "also", "aa", "blocks", "max_blocks", "precision", "time_limit", "timeout", "warmup", "seed",
            "allow_different_output", "keep_going", "energy", "idle"])]
    pub(crate) resume: Option<PathBuf>,

    /// Print a record again, and run nothing.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output",
          conflicts_with_all = ["resume", "workload", "out", "args", "items", "chunk", "load", "metrics", "python", "models",
            "workers", "also", "aa", "blocks", "max_blocks", "precision", "time_limit", "timeout", "warmup", "seed",
            "allow_different_output", "keep_going", "energy", "idle"])]
    pub(crate) replay: Option<PathBuf>,

    /// Print the comparison as JSON.
    #[arg(long, help_heading = "Output", conflicts_with = "csv")]
    pub(crate) json: bool,

    /// Print the comparison as CSV, one row an arm and metric.
    #[arg(long, help_heading = "Output")]
    pub(crate) csv: bool,

    /// No progress.
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

Mark the part that counts with two lines; the module is on the workload's path:
  from ungil_phase import phase
  with phase(): ...";

/// `ungil pythons`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Pythons {
    /// Print everything known as JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) verb: Option<PythonsVerb>,
}

/// What to do with Pythons besides listing them.
#[derive(Debug, Subcommand)]
pub(crate) enum PythonsVerb {
    /// Install Pythons: with uv where it is there and can reach its source, otherwise from PyPI and
    /// Debian packages.
    Install {
        /// Versions, such as 3.14 or 3.14t.
        #[arg(required = true, value_name = "VERSION")]
        versions: Vec<String>,
        /// How: auto, uv, assemble.
        #[arg(long, value_name = "HOW", default_value = "auto")]
        with: String,
    },
}
