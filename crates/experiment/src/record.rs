//! The record: JSON Lines on disk, one line the moment each thing is known, so that nothing is lost
//! when a run is cut off. Schema `ungil.experiment/1`, described in `docs/reference/record.md` and
//! `docs/record.schema.json`.

mod read;
mod write;

pub use read::{Record, TornLine};
pub use write::Writer;

use crate::arm::Arm;
use crate::comparison::Comparison;
pub use crate::cores::CoreUse;
use crate::hazard::Hazard;
use crate::workload::Workload;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use ungil_meter::energy::{About, Evidence, Reading};
use ungil_meter::machine::{Around, Machine};

/// The schema that this version writes. Readers accept any `/1`: fields may be added to it, but
/// never changed.
pub const SCHEMA: &str = "ungil.experiment/1";

/// A line of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Line {
    /// The first line: what is measured, how, and on which machine.
    Experiment(Header),
    /// The machine's idle power, measured before the first block.
    Idle(Idle),
    /// The start-up times of an interpreter.
    Startup(Startup),
    /// One run of one arm.
    Run(Run),
    /// The experiment was cut short.
    Stopped(Stopped),
    /// The experiment was resumed after a stop.
    Resumed(Resumed),
    /// The comparison of the runs so far. The last one counts.
    Comparison(Comparison),
}

/// The first line of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of ungil that wrote the record.
    pub ungil: String,
    /// Start time, RFC 3339.
    pub started: String,
    /// Working directory.
    pub directory: String,
    /// The workload.
    pub workload: Workload,
    /// The settings.
    pub settings: Settings,
    /// The arms; the first is the baseline.
    pub arms: Vec<Arm>,
    /// The machine.
    pub machine: Machine,
    /// Energy sensors in use.
    pub sensors: Vec<About>,
    /// Sensors that are not available, and why.
    pub absent: Vec<String>,
    /// Notes on the choice of arms: interpreters built differently, arms left out.
    pub notes: Vec<String>,
}

/// The settings of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of the order of arms, of the bootstrap, and of each block's `PYTHONHASHSEED`.
    pub seed: u64,
    /// Warm-up runs of each arm.
    pub warmup: u32,
    /// Minimum number of blocks.
    pub blocks: u32,
    /// Maximum number of blocks, if limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_blocks: Option<u32>,
    /// The experiment stops when every interval's relative half-width is at most this.
    pub precision: f64,
    /// No further block starts after this many seconds, once the minimum number is done.
    pub time_limit_s: f64,
    /// Time limit of a run in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<f64>,
    /// Whether the arms' outputs may differ.
    pub allow_different_output: bool,
    /// Whether to continue without an arm that fails.
    pub keep_going: bool,
    /// The requested energy sensor (`--energy`).
    pub energy: String,
    /// Seconds for which idle power is measured before the first block, if a sensor measures.
    pub idle_s: f64,
    /// Regular expressions (`--metric`) for further figures in a load generator's output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
}

/// The machine's idle power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// Length of the window in seconds.
    pub seconds: f64,
    /// The reading of each sensor.
    pub energy: Vec<Joules>,
}

/// Start-up times of an interpreter (`python -c pass`). They are shown separately if the workload
/// marks no phase, because its time then includes the start-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Startup {
    /// The interpreter with its GIL setting, as in arm ids: `3.14t+gil`.
    pub python: String,
    /// Wall time of each start.
    pub seconds: Vec<f64>,
}

/// The result of one energy sensor for one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joules {
    /// The sensor's name.
    pub sensor: String,
    /// The evidence class of its figure; `none` if there is no figure.
    pub evidence: Evidence,
    /// The figure, in microjoules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// The reason why there is no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// Exited with code 0, and every phase it started has ended.
    Ok,
    /// Exited with another code.
    Exited { code: i32 },
    /// A signal ended it.
    Signaled { signal: i32 },
    /// Ran past the timeout and was killed with all its descendants.
    TimedOut,
    /// Ended, but its figures are not valid.
    Invalid { why: String },
}

/// Describes how a failed run ended.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ok => write!(f, "succeeded"),
            Outcome::Exited { code } => write!(f, "exit code {code}"),
            Outcome::Signaled { signal } => {
                write!(f, "killed by signal {signal} ({})", signal_name(*signal))
            }
            Outcome::TimedOut => write!(f, "exceeded --timeout and was killed"),
            Outcome::Invalid { why } => write!(f, "{why}"),
        }
    }
}

/// Returns the name of a signal.
fn signal_name(signal: i32) -> &'static str {
    let names = [
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (15, "SIGTERM"),
    ];
    names.iter().find(|(n, _)| *n == signal).map_or("see kill -l", |(_, name)| name)
}

/// Identifies the output of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// BLAKE3 of standard output.
    pub blake3: String,
    /// Length of standard output in bytes.
    pub bytes: u64,
}

/// Modules whose byte code is not cached although they have been imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncached {
    /// Names of the modules.
    pub modules: Vec<String>,
    /// The reason why the byte code is not cached.
    pub why: String,
}

/// The cost of the measurement itself in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// CPU seconds of the runner for this run, including set-up and clean-up.
    pub cpu_s: f64,
    /// Of these, CPU seconds inside the measured window.
    pub window_cpu_s: f64,
    /// Samples of the tree's memory.
    pub samples: u64,
    /// Of these, samples that include PSS and USS.
    pub share_samples: u64,
    /// Samples of the threads, locks and garbage collectors of the tree's interpreters, counted per
    /// process.
    #[serde(default)]
    pub wait_samples: u64,
    /// Seconds that the runner added to the run: set-up before it and clean-up after it.
    pub added_s: f64,
}

/// One run of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Id of the arm.
    pub arm: String,
    /// Number of the block; 0 is warm-up, which is never compared.
    pub block: u32,
    /// Position in the block, from 0.
    pub order: u32,
    /// Start time in seconds since this ungil process began its blocks; it restarts from 0 when an
    /// experiment is resumed.
    pub at_s: f64,
    /// The outcome.
    pub outcome: Outcome,
    /// Whether the workload marked a phase.
    pub marked: bool,
    /// Figures by metric key.
    pub metrics: BTreeMap<String, f64>,
    /// The reason why metrics are missing, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// The reading of each energy sensor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub energy: Vec<Joules>,
    /// The whole machine during the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Around>,
    /// Use of each core over the time of the run; absent if the run took less than 0.1 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<CoreUse>,
    /// Observations that put the figures in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hazards: Vec<Hazard>,
    /// Identifies standard output; absent for a service, whose output is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Modules that are compiled in each run. They are looked for after an interpreter's first run,
    /// if it marks no phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncached: Option<Uncached>,
    /// Source of CPU time: `cgroup` or `proc`.
    pub counted_by: String,
    /// The cost of the measurement itself.
    pub probes: Probes,
    /// The end of standard error, if the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
}

/// The experiment stopped before its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// The reason.
    pub why: String,
}

/// The experiment was resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// The time, RFC 3339.
    pub at: String,
}
