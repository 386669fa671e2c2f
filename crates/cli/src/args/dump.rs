//! The arguments of `ungil dump`.

use clap::Args;

/// `ungil dump`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 a process could not be looked into, 2 usage, 4 a deadlock was found, or with --watch
a lock order that could deadlock."
)]
pub(crate) struct Dump {
    /// Processes to look into.
    #[arg(value_name = "PID", required_unless_present = "all", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pids: Vec<u32>,

    /// Every Python of this machine that may be looked into.
    #[arg(long, conflicts_with = "pids")]
    pub(crate) all: bool,

    /// Watch the order in which threads take locks for this long (such as 30s), and report orders that could deadlock.
    #[arg(long, value_name = "DURATION", value_parser = super::values::duration, conflicts_with = "all")]
    pub(crate) watch: Option<f64>,

    /// C frames too. Those of threads that run are left out, for that they would have to be stopped.
    #[arg(long)]
    pub(crate) native: bool,

    /// Stop threads that run for some tens of microseconds each, to read their C frames.
    #[arg(long, requires = "native")]
    pub(crate) stop: bool,

    /// No lines of source.
    #[arg(long)]
    pub(crate) no_source: bool,

    /// Short paths: of an installed package, of the standard library and of the working folder from there on.
    #[arg(long, conflicts_with = "json")]
    pub(crate) short: bool,

    /// Print everything found as JSON (schema ungil.dump/2).
    #[arg(long)]
    pub(crate) json: bool,
}
