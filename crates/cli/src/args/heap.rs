//! Arguments of `ungil heap`.

use super::{CoreFiles, Target, duration};
use clap::{Args, ValueEnum};

/// `ungil heap`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Heap {
    /// A process (PID), which is neither stopped nor changed, or a core file (of the kernel or
    /// gcore, also compressed with gzip or zstd). Digits are a PID; write ./4711 for a core file
    /// named 4711.
    #[arg(value_name = "PID|CORE")]
    pub(crate) target: Target,

    /// Count twice, this time apart, and show the growth.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) diff: Option<f64>,

    /// Group types by the module that defines them.
    #[arg(long)]
    pub(crate) module: bool,

    /// Rows to show; 0 shows all (default: 25; all with --json).
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// Sort key; with --diff, sorts by its growth.
    #[arg(short, long, value_enum, value_name = "KEY", default_value_t = Order::Bytes)]
    pub(crate) sort: Order,

    /// Stop counting after this time, and show what was counted by then.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) limit: f64,

    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not show progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) files: CoreFiles,
}

/// The sort keys.
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

On a free-threaded build all objects are counted. On a build with the GIL only
those known to the garbage collector are: containers and instances of classes,
not strings or numbers.";
