//! Arguments of `ungil top`.

use super::duration;
use clap::{Args, ValueEnum};

/// `ungil top`.
#[derive(Debug, Args)]
#[command(after_long_help = KEYS)]
pub(crate) struct Top {
    /// The process to watch (default: a list of every Python of this machine, to choose from).
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,

    /// Time between two views.
    #[arg(short = 'd', long, value_name = "TIME", default_value = "500ms", value_parser = interval)]
    pub(crate) interval: f64,

    /// Looks a second; fewer are taken where they would cost more than 1 % of a core.
    #[arg(long, value_name = "HZ", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rate: u32,

    /// Time the shares are of, up to now.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = interval)]
    pub(crate) span: f64,

    /// Order of the threads (the key `s` changes it).
    #[arg(short, long, value_enum, value_name = "KEY", default_value_t = Sort::Cpu)]
    pub(crate) sort: Sort,

    /// Show only rows that contain this text (the key `/` changes it).
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    pub(crate) filter: String,

    /// Print one view and end; no terminal is needed.
    #[arg(long)]
    pub(crate) once: bool,

    /// Print this many views, one after each interval, and end.
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "once", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) views: Option<u32>,

    /// Print views as JSON, one object a line; one view unless -n says otherwise.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What threads are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// CPU, most first.
    Cpu,
    /// Share of time waiting for locks, most first.
    Lock,
    /// Share of time waiting for the GIL, most first.
    Gil,
    /// How long the present wait has lasted, longest first.
    Wait,
    /// State.
    State,
    /// Name.
    Name,
    /// The kernel's number.
    Tid,
}

/// A time that something can be done in.
fn interval(text: &str) -> Result<f64, String> {
    let seconds = duration(text)?;
    if (0.05..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("from 50ms to 1h".into()) }
}

const KEYS: &str = "\
Keys:
  1 2 3 4, tab  threads, lines, objects, pauses    s S  sort by the next, the previous column    r  reverse
  up down pgup pgdn home end  move                 enter  the thread's stack; a process of the list
  /  filter    p  pause    t  last seconds or whole time    e  export the view    b  back to the list
  ctrl-z  suspend    h ?  help    q  quit

Examples:
  ungil top
  ungil top 4711 --sort lock
  ungil top 4711 --once --interval 2s
  ungil top 4711 --json -n 10 > views.jsonl";
