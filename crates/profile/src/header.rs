//! What a profile says of itself: what was looked at and how (known at the start), and what came of
//! it (known at the end).

use serde::{Deserialize, Serialize};

/// What was profiled and how. Known before the first sample; the first thing in a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The target's command line, or the command ungil started.
    pub command: String,
    /// Process ids looked at when it began.
    pub pids: Vec<u32>,
    /// The target's Python, such as `3.14.9`.
    pub python: String,
    /// How that Python was built.
    pub build: Option<Build>,
    /// What was asked for.
    pub mode: Mode,
    /// What a weight counts.
    pub unit: Unit,
    /// Looks a second that were asked for; 0 where there is no such thing.
    pub rate_asked_hz: f64,
    /// When it began: RFC 3339, with a zone.
    pub started: String,
    /// The version of ungil that looked.
    pub ungil: String,
}

/// What came of it. Known after the last sample; the last thing in a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// From the first look to the last, in nanoseconds.
    pub duration_ns: u64,
    /// Looks that were taken: one look is at every thread of one process.
    pub captured: u64,
    /// Times at which all processes were looked at, one look each; `None` in recordings that do not
    /// say.
    pub rounds: Option<u64>,
    /// Rounds that were due and not taken, because the one before was still under way or the
    /// profiler got no processor.
    pub missed: u64,
    /// Those of them for which the profiler got no processor in time; `None` in recordings that do
    /// not say.
    pub missed_busy: Option<u64>,
    /// Threads' stacks that did not fit together and were thrown away.
    pub torn: u64,
    /// Processor time ungil itself spent, in nanoseconds; `None` if it could not be measured.
    pub own_cpu_ns: Option<u64>,
    /// Samples whose place was left out because a table was full (see `Limits`); their weight is
    /// kept.
    pub left_out: u64,
    /// What could not be read, and why: one sentence each.
    pub notes: Vec<String>,
}

impl Totals {
    /// Rounds that were taken: each is one look at every process, so that a rate of rounds is what
    /// was asked for.
    pub fn taken(&self) -> u64 {
        self.rounds.unwrap_or(self.captured)
    }

    /// Looks a second at each process that were reached; `None` without a duration.
    pub fn rate_reached_hz(&self) -> Option<f64> {
        (self.duration_ns > 0).then(|| self.taken() as f64 * 1e9 / self.duration_ns as f64)
    }

    /// Part of the due rounds that were missed, 0 to 1.
    pub fn missed_share(&self) -> f64 {
        share(self.missed, self.missed.saturating_add(self.taken()))
    }

    /// Part of the missed rounds for which the profiler got no processor in time, 0 to 1; `None`
    /// where that is not known.
    pub fn busy_share(&self) -> Option<f64> {
        self.missed_busy.map(|busy| share(busy.min(self.missed), self.missed))
    }

    /// Part of the stacks that were torn, 0 to 1, given how many were kept.
    pub fn torn_share(&self, samples: u64) -> f64 {
        share(self.torn, self.torn + samples)
    }
}

impl Header {
    /// When it began, in nanoseconds since 1970; `None` if that is not a time or before.
    pub(crate) fn started_ns(&self) -> Option<u64> {
        let started: jiff::Timestamp = self.started.parse().ok()?;
        u64::try_from(started.as_nanosecond()).ok()
    }

    /// Cut to a length that always fits a recording's block: a command line may be megabytes long.
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
    /// Cut to a length that always fits a recording's block.
    pub(crate) fn bounded(mut self) -> Totals {
        let more = self.notes.len().saturating_sub(64);
        self.notes.truncate(64);
        self.notes.iter_mut().for_each(|n| *n = cut(n, 1 << 10).into());
        if more > 0 {
            self.notes.push(format!("{more} more notes are left out"));
        }
        self
    }
}

/// The text's beginning, at most `longest` bytes of it.
pub(crate) fn cut(text: &str, longest: usize) -> &str {
    let ends = (0..=longest.min(text.len())).rev();
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
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Build::Gil => "with the GIL",
            Build::FreeThreaded => "free-threaded",
            Build::FreeThreadedGilOn => "free-threaded, GIL on",
        }
    }
}

/// What a profile is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// All of every thread's time.
    #[default]
    Wall,
    /// Time on a processor.
    Cpu,
    /// Time waiting for locks.
    Lock,
    /// Time waiting for the GIL, and holding it.
    Gil,
    /// The collector's work, and pauses.
    Gc,
    /// Memory by where it was allocated.
    Alloc,
}

impl Mode {
    /// The name on the command line.
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
    /// What its weights are an amount of.
    pub fn what(self) -> &'static str {
        match self {
            Mode::Wall => "thread time",
            Mode::Cpu => "processor time",
            Mode::Lock => "lock waiting",
            Mode::Gil => "GIL time",
            Mode::Gc => "collector time",
            Mode::Alloc => "allocated memory",
        }
    }
}

/// What a weight counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds of thread time.
    #[default]
    Nanoseconds,
    /// Bytes.
    Bytes,
}
