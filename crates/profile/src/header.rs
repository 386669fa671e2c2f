//! Metadata of a profile: what was sampled and how (known at the start), and the totals (known at
//! the end).

use serde::{Deserialize, Serialize};

/// The target and the settings. Known before the first sample; the first entry of a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The target's command line, or the command that ungil started.
    pub command: String,
    /// Process ids at the beginning.
    pub pids: Vec<u32>,
    /// The target's Python version, such as `3.14.9`.
    pub python: String,
    /// How that Python was built.
    pub build: Option<Build>,
    /// The sampling mode.
    pub mode: Mode,
    /// The unit of weights.
    pub unit: Unit,
    /// Requested looks per second; 0 if not applicable.
    pub rate_asked_hz: f64,
    /// Start time: RFC 3339, with a time zone.
    pub started: String,
    /// The version of ungil that took the profile.
    pub ungil: String,
}

/// Totals of a profile. Known after the last sample; the last entry of a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Time from the first look to the last, in nanoseconds.
    pub duration_ns: u64,
    /// Looks taken. One look samples every thread of one process.
    pub captured: u64,
    /// Rounds taken, of one look at each process. `None` in recordings without this field.
    pub rounds: Option<u64>,
    /// Rounds that were due but not taken, because the previous one was still in progress or the
    /// profiler was not scheduled.
    pub missed: u64,
    /// Missed rounds for which the profiler was not scheduled in time. `None` in recordings without
    /// this field.
    pub missed_busy: Option<u64>,
    /// Thread stacks that were inconsistent and thrown away.
    pub torn: u64,
    /// CPU time that ungil itself used, in nanoseconds; `None` if it could not be measured.
    pub own_cpu_ns: Option<u64>,
    /// Samples whose stack was left out because a table was full (see `Limits`). Their weight is
    /// kept.
    pub left_out: u64,
    /// Problems during the capture, with their causes: one sentence each.
    pub notes: Vec<String>,
}

impl Totals {
    /// Returns the rounds taken. Their rate is comparable with the requested rate.
    pub fn taken(&self) -> u64 {
        self.rounds.unwrap_or(self.captured)
    }

    /// Returns the reached looks per second at each process; `None` without a duration.
    pub fn rate_reached_hz(&self) -> Option<f64> {
        (self.duration_ns > 0).then(|| self.taken() as f64 * 1e9 / self.duration_ns as f64)
    }

    /// Returns the share of due rounds that were missed, 0 to 1.
    pub fn missed_share(&self) -> f64 {
        share(self.missed, self.missed.saturating_add(self.taken()))
    }

    /// Returns the share of missed rounds for which the profiler was not scheduled in time, 0 to 1;
    /// `None` if unknown.
    pub fn busy_share(&self) -> Option<f64> {
        self.missed_busy.map(|busy| share(busy.min(self.missed), self.missed))
    }

    /// Returns the share of stacks that were torn, 0 to 1, given how many were kept.
    pub fn torn_share(&self, samples: u64) -> f64 {
        share(self.torn, self.torn + samples)
    }
}

impl Header {
    /// Returns the start time in nanoseconds since 1970; `None` if it does not parse or is earlier.
    pub(crate) fn started_ns(&self) -> Option<u64> {
        let started: jiff::Timestamp = self.started.parse().ok()?;
        u64::try_from(started.as_nanosecond()).ok()
    }

    /// Truncates the fields so that the header fits into one block of a recording: a command line
    /// may be megabytes long.
    pub(crate) fn bounded(mut self) -> Header {
        self.command = cut(&self.command, 16 << 10).into();
        for text in [&mut self.python, &mut self.started, &mut self.ungil] {
            *text = cut(text, 1 << 10).into();
        }
        self.pids.truncate(10_000);
        self
    }
}

impl Totals {
    /// Truncates the notes so that the totals fit into one block of a recording.
    pub(crate) fn bounded(mut self) -> Totals {
        let more = self.notes.len().saturating_sub(64);
        self.notes.truncate(64);
        self.notes.iter_mut().for_each(|n| *n = cut(n, 1 << 10).into());
        if more > 0 {
            self.notes.push(format!("{more} more notes"));
        }
        self
    }
}

/// Returns the longest prefix of at most `max` bytes that ends at a character boundary.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let ends = (0..=max.min(text.len())).rev();
    ends.into_iter().find_map(|end| text.get(..end)).unwrap_or("")
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How a CPython was built, and whether its GIL is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Build {
    /// The default build.
    Gil,
    /// A free-threaded build with the GIL off.
    FreeThreaded,
    /// A free-threaded build with the GIL on.
    FreeThreadedGilOn,
}

impl Build {
    /// Returns a description.
    pub fn description(self) -> &'static str {
        match self {
            Build::Gil => "with the GIL",
            Build::FreeThreaded => "free-threaded",
            Build::FreeThreadedGilOn => "free-threaded, GIL on",
        }
    }
}

/// The sampling modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The whole time of every thread.
    #[default]
    Wall,
    /// Time on a CPU.
    Cpu,
    /// Time waiting for locks.
    Lock,
    /// Time waiting for the GIL, and holding it.
    Gil,
    /// Garbage collection, and pauses.
    Gc,
    /// Memory by allocation site.
    Alloc,
}

impl Mode {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Wall => "wall",
            Mode::Cpu => "cpu",
            Mode::Lock => "lock",
            Mode::Gil => "gil",
            Mode::Gc => "gc",
            Mode::Alloc => "alloc",
        }
    }
}

impl Mode {
    /// Returns what the weights are an amount of.
    pub fn what(self) -> &'static str {
        match self {
            Mode::Wall => "thread time",
            Mode::Cpu => "CPU time",
            Mode::Lock => "lock waiting",
            Mode::Gil => "GIL time",
            Mode::Gc => "collector time",
            Mode::Alloc => "allocated memory",
        }
    }
}

/// The unit of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds of thread time.
    #[default]
    Nanoseconds,
    /// Bytes.
    Bytes,
}
