//! Arguments of `ungil suite`.

use super::{bytes, duration, scale};
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Suite {
    /// List the workloads with what they compute and their sizes.
    #[arg(long, conflicts_with_all = ["resume", "replay", "export"])]
    pub(crate) list: bool,

    /// Run only these categories: numpy, sequential, numerical, objects, shared.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "What")]
    pub(crate) category: Vec<String>,

    /// Run only these workloads; see --list.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "What")]
    pub(crate) workload: Vec<String>,

    /// Quick overview in less than two minutes: runs of a tenth of a second, as many workers as
    /// cores, no corrected variants, no warm-up, and up to five blocks as time allows.
    #[arg(long, help_heading = "What", conflicts_with_all = ["paper", "scale"])]
    pub(crate) quick: bool,

    /// Use all of the paper's sizes and its numbers of workers: 1, 2, 4, 6, 8, 12. With --scale,
    /// that share of its work.
    #[arg(long, help_heading = "What")]
    pub(crate) paper: bool,

    /// Share of the paper's work, such as 0.1 or 10% (default: about a second per run).
    #[arg(long, value_name = "SHARE", value_parser = scale, help_heading = "What")]
    pub(crate) scale: Option<f64>,

    /// Memory a run may need; points that need more are skipped (default: 90 % of the available
    /// memory).
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "What")]
    pub(crate) memory: Option<u64>,

    /// Run the workload files in this folder, created with --export and changed since.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "What")]
    pub(crate) sources: Option<PathBuf>,

    /// Write the workloads' Python files to a folder and exit.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "What")]
    pub(crate) export: Option<PathBuf>,

    /// Show what would run, and how long, without running it.
    #[arg(long, help_heading = "What")]
    pub(crate) dry_run: bool,

    /// Do not install NumPy; without it its category is skipped.
    #[arg(long, help_heading = "What")]
    pub(crate) no_install: bool,

    /// Pythons, the reference first: versions or paths; `3.14t+gil` is 3.14t with PYTHON_GIL=1
    /// (default: the newest GIL build and its free-threaded twin).
    #[arg(long, value_name = "PYTHON", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) python: Vec<String>,

    /// Execution models besides threads: fork, spawn, forkserver, interpreters.
    #[arg(long, value_name = "MODEL", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) models: Vec<String>,

    /// Numbers of workers (default: 1, 2, 4 .. cores).
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = "Arms")]
    pub(crate) workers: Vec<u32>,

    /// Blocks per point; each runs every arm once, in random order (default: 5; fewer decide
    /// nothing).
    #[arg(long, value_name = "N", help_heading = "How long", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: Option<u32>,

    /// Warm-up runs of each arm, which are not counted (default: 1; with --quick 0).
    #[arg(long, value_name = "N", help_heading = "How long")]
    pub(crate) warmup: Option<u32>,

    /// Kill a run, and all processes it started, after this time.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How long")]
    pub(crate) timeout: Option<f64>,

    /// Seed of the random order of arms and of the intervals (default: from the clock).
    #[arg(long, value_name = "N", help_heading = "How long")]
    pub(crate) seed: Option<u64>,

    /// Energy sensor, as for `ungil compare`.
    #[arg(long, value_name = "SENSOR", default_value = "auto", help_heading = "Energy")]
    pub(crate) energy: String,

    /// Folder of the suite (default: a new one under .ungil/).
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    /// Continue an interrupted suite with its own settings. Failed points are run again.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output",
          conflicts_with_all = ["category", "workload", "quick", "paper", "scale", "memory", "sources", "export", "python", "models",
            "workers", "blocks", "warmup", "timeout", "seed", "energy", "out", "replay"])]
    pub(crate) resume: Option<PathBuf>,

    /// Print the summary of a suite again without running anything.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub(crate) replay: Option<PathBuf>,

    /// Print the summary as JSON.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// Show every column of the tables (default: the columns that fit the terminal or $COLUMNS; 120
    /// characters if the output is no terminal).
    #[arg(long, help_heading = "Output")]
    pub(crate) wide: bool,

    /// Show no progress.
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
