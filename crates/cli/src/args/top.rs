//! Arguments of `ungil top`.

use super::duration;
use clap::{Args, ValueEnum};

/// `ungil top`.
#[derive(Debug, Args)]
#[command(after_long_help = KEYS)]
pub(crate) struct Top {
    /// The process to monitor (default: choose from a list of all Pythons on this machine).
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,

    /// Time between two updates.
    #[arg(short = 'd', long, value_name = "TIME", default_value = "500ms", value_parser = interval)]
    pub(crate) interval: f64,

    /// Looks per second; fewer if they would use more than 1 % of a core.
    #[arg(long, value_name = "HZ", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rate: u32,

    /// Length of the time that shares refer to.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = interval)]
    pub(crate) span: f64,

    /// Sort key of the threads (key `s` changes it).
    #[arg(short, long, value_enum, value_name = "KEY", default_value_t = Sort::Cpu)]
    pub(crate) sort: Sort,

    /// Show only rows that contain this text (key `/` changes it).
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    pub(crate) filter: String,

    /// Print one view as text and exit.
    #[arg(long)]
    pub(crate) once: bool,

    /// Print this many views and exit.
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "once", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) views: Option<u32>,

    /// Print JSON, one object per line and view (default: one view).
    #[arg(long)]
    pub(crate) json: bool,
}

/// The sort keys of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// CPU use, largest first.
    Cpu,
    /// Share of time waiting for locks, largest first.
    Lock,
    /// Share of time waiting for the GIL, largest first.
    Gil,
    /// Duration of the current wait, longest first.
    Wait,
    /// State.
    State,
    /// Name.
    Name,
    /// Kernel thread id.
    Tid,
}

/// Parses a duration from 50 ms to 1 h.
fn interval(text: &str) -> Result<f64, String> {
    let seconds = duration(text)?;
    if (0.05..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("write a time from 50ms to 1h".into())
    }
}

const KEYS: &str = "\
Keys:
  1 2 3 4, tab          threads, lines, objects, pauses
  up down pgup pgdn     move (also home, end)
  enter                 show the thread's stack; open a process
  s S r                 sort by the next, the previous column; reverse
  /                     filter
  p                     pause
  t                     shares of the last seconds, or of the whole time
  e                     export the view
  b                     back to the list
  ctrl-z, h, q          suspend, help, quit

Examples:
  ungil top
  ungil top 4711 --sort lock
  ungil top 4711 --once --interval 2s
  ungil top 4711 --json -n 10 > views.jsonl";
