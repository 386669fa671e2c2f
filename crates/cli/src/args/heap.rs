//! Arguments of `ungil heap`.

use super::{CoreFiles, Target, duration};
use clap::{Args, ValueEnum};

/// `ungil heap`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Heap {
    /// The process to look into, which is neither stopped nor changed, or the core file to read (of
    /// the kernel or gcore, also with gzip or zstd). Digits are the number of a process; a core
    /// whose name is a number is given as ./4711.
    #[arg(value_name = "PID|CORE")]
    pub(crate) target: Target,

    /// Look twice, this time apart, and show what grew and what shrank.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) diff: Option<f64>,

    /// Put types together by the module that defines them.
    #[arg(long)]
    pub(crate) module: bool,

    /// Rows to show; 0 for all (JSON has all unless this is given).
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// What rows are ordered by; with --diff, by how much of it was gained.
    #[arg(short, long, value_enum, value_name = "KEY", default_value_t = Order::Bytes)]
    pub(crate) sort: Order,

    /// End a look after this time, with what was counted until then.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) limit: f64,

    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,

    /// No progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) files: CoreFiles,
}

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// Bytes, most first.
    Bytes,
    /// Objects, most first.
    Objects,
    /// Module and name.
    Name,
}

const EXAMPLES: &str = "\
Examples:
  ungil heap 4711
  ungil heap 4711 --module
  ungil heap 4711 --diff 10s --sort objects
  ungil heap core.4711
  ungil heap 4711 --json | jq '.types[:5]'

On a free-threaded build every object is counted. With a GIL it is the objects the collector knows:
containers and instances of classes, not strings or numbers.";
