//! Arguments of `ungil suite`.

use super::{bytes, duration, scale};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `ungil suite`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Suite {
    /// Print the workloads, what each computes, and their sizes.
    #[arg(long, conflicts_with_all = ["resume", "replay", "export"])]
    pub(crate) list: bool,

    /// Only these categories: numpy, sequential, numerical, objects, shared.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "What")]
    pub(crate) category: Vec<String>,

    /// Only these workloads; --list names them.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "What")]
    pub(crate) workload: Vec<String>,

    /// A first look, in less than two minutes: points of a tenth of a second, as many workers as
    /// cores, no fixed forms, nothing warmed up, and up to five blocks, as time allows.
    #[arg(long, help_heading = "What", conflicts_with_all = ["paper", "scale"])]
    pub(crate) quick: bool,

    /// The paper's sizes, every one, and its numbers of workers: 1, 2, 4, 6, 8, 12. With --scale,
    /// that share of its work.
    #[arg(long, help_heading = "What")]
    pub(crate) paper: bool,

    /// Share of the paper's work, such as 0.1 or 10% (default: what takes about a second).
    #[arg(long, value_name = "SHARE", value_parser = scale, help_heading = "What")]
    pub(crate) scale: Option<f64>,

    /// Most memory a run may need; larger points are left out (default: what is available, less a
    /// tenth).
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "What")]
    pub(crate) memory: Option<u64>,

    /// Run the workloads' files in this folder, made with --export and changed since.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "What")]
    pub(crate) sources: Option<PathBuf>,

    /// Write the workloads' Python files into a folder, and do nothing else.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "What")]
    pub(crate) export: Option<PathBuf>,

    /// Say what would run, how large and how long, and run nothing.
    #[arg(long, help_heading = "What")]
    pub(crate) dry_run: bool,

    /// Fetch no NumPy; where it is not there its category is left out.
    #[arg(long, help_heading = "What")]
    pub(crate) no_install: bool,

    /// Pythons, the reference first: versions, paths; `3.14t+gil` is 3.14t with PYTHON_GIL=1
    /// (default: the newest GIL build and its free-threaded twin).
    #[arg(long, value_name = "PYTHON", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) python: Vec<String>,

    /// Execution models beside threads: fork, spawn, forkserver, interpreters.
    #[arg(long, value_name = "MODEL", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) models: Vec<String>,

    /// Numbers of workers (default: 1, 2, 4 .. cores).
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) workers: Vec<u32>,

    /// Blocks of each point; each runs every arm once, in random order (default: 5; fewer decide
    /// nothing).
    #[arg(long, value_name = "N", help_heading = "How long", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: Option<u32>,

    /// Runs of each arm before anything is measured (default: 1; with --quick none).
    #[arg(long, value_name = "N", help_heading = "How long")]
    pub(crate) warmup: Option<u32>,

    /// End a run, and everything it started, after this time.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How long")]
    pub(crate) timeout: Option<f64>,

    /// Seed of the order of arms and of intervals.
    #[arg(long, value_name = "N", help_heading = "How long")]
    pub(crate) seed: Option<u64>,

    /// Where joules come from, as for `ungil compare`.
    #[arg(long, value_name = "SENSOR", default_value = "auto", help_heading = "Energy")]
    pub(crate) energy: String,

    /// The suite's folder (default: a new one under .ungil/).
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    /// Go on with an interrupted suite; everything else is taken from its folder. What failed is
    /// tried again.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output",
          conflicts_with_all = ["category", "workload", "quick", "paper", "scale", "memory", "sources", "export", "python", "models",
            "workers", "blocks", "warmup", "timeout", "seed", "energy", "out", "replay"])]
    pub(crate) resume: Option<PathBuf>,

    /// Print a suite's folder again, and run nothing.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub(crate) replay: Option<PathBuf>,

    /// Print the summary as JSON.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// No progress.
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  ungil suite --quick
  ungil suite --category sequential,numerical --blocks 10
  ungil suite --workload nbody --scale 0.1 --workers 1,2,4 --models fork,interpreters
  ungil suite --python 3.14,3.14t,3.14t+gil --category objects
  ungil suite --paper
  ungil suite --resume .ungil/suite-2026-11-23T101500Z-4711
  ungil suite --replay .ungil/suite-2026-11-23T101500Z-4711 --json";
