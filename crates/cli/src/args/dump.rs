//! The arguments of `ungil dump`.

use super::{CoreFiles, Target};
use clap::Args;

/// `ungil dump`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0  done
  1  a process or core could not be read
  2  invalid arguments
  4  a deadlock was found, or with --watch a lock order that can deadlock")]
pub(crate) struct Dump {
    /// Processes (PID) or core files (of the kernel or gcore, also compressed with gzip or zstd).
    /// Digits are a PID; write ./4711 for a core file named 4711.
    #[arg(value_name = "PID|CORE", required_unless_present = "all")]
    pub(crate) targets: Vec<Target>,

    /// Read every Python on this machine that is accessible.
    #[arg(long, conflicts_with = "targets")]
    pub(crate) all: bool,

    /// Watch for this long (such as 30s) in which order threads take locks, and report orders that
    /// can deadlock.
    #[arg(long, value_name = "DURATION", value_parser = super::values::duration, conflicts_with = "all")]
    pub(crate) watch: Option<f64>,

    /// Show C frames of sleeping threads too.
    #[arg(long)]
    pub(crate) native: bool,

    /// Also show C frames of running threads, which stops each of them for some tens of
    /// microseconds.
    #[arg(long, requires = "native")]
    pub(crate) stop: bool,

    /// Do not show source lines.
    #[arg(long)]
    pub(crate) no_source: bool,

    /// Show paths relative to site-packages, the standard library or the working directory.
    #[arg(long, conflicts_with = "json")]
    pub(crate) short: bool,

    /// Print JSON (schema ungil.dump/2).
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) files: CoreFiles,
}
