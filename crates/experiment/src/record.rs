//! The record: JSON Lines on disk, one line the moment each thing is known, so that nothing is lost
//! when a run is cut off. Schema `ungil.experiment/1`, described in `docs/reference/record.md` and
//! `docs/record.schema.json`.

mod read;
mod write;

pub use read::{Record, Torn};
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

/// The schema this version writes. A reader takes any `/1`; fields may be added to it, never
/// changed.
pub const SCHEMA: &str = "ungil.experiment/1";

/// One line of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Line {
    /// The first line: what is measured, how, and on what.
    Experiment(Header),
    /// The machine's power before the first block.
    Idle(Idle),
    /// How long an interpreter takes to start.
    Startup(Startup),
    /// One run of one arm.
    Run(Run),
    /// The experiment was cut short.
    Stopped(Stopped),
    /// It went on after a stop.
    Resumed(Resumed),
    /// What the runs so far say; the last one counts.
    Comparison(Comparison),
}

/// The first line of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of ungil that wrote it.
    pub ungil: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// The directory it ran in.
    pub directory: String,
    /// What is measured.
    pub workload: Workload,
    /// How.
    pub settings: Settings,
    /// Every arm; the first is the baseline.
    pub arms: Vec<Arm>,
    /// The machine.
    pub machine: Machine,
    /// Sensors of energy in use.
    pub sensors: Vec<About>,
    /// Sensors that are not there, and why.
    pub absent: Vec<String>,
    /// What a reader should know of the choice of arms: pairs built differently, arms left out.
    pub notes: Vec<String>,
}

/// How an experiment is carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of the order of arms, of the bootstrap, and of each block's `PYTHONHASHSEED`.
    pub seed: u64,
    /// Runs of each arm before anything is measured.
    pub warmup: u32,
    /// Fewest blocks.
    pub blocks: u32,
    /// Most blocks, if limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_blocks: Option<u32>,
    /// Stop when every interval's half-width is within this share.
    pub precision: f64,
    /// Begin no further block after this many seconds, once the fewest are done.
    pub time_limit_s: f64,
    /// End a run after this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<f64>,
    /// Do not compare the arms' outputs.
    pub allow_different_output: bool,
    /// Go on without an arm that fails.
    pub keep_going: bool,
    /// The sensor asked for.
    pub energy: String,
    /// Seconds of idling before the first block, where there is a sensor that measures.
    pub idle_s: f64,
    /// Regular expressions for further figures in a load generator's output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
}

/// The machine's power while nothing of ours runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// Length of the window.
    pub seconds: f64,
    /// What each sensor said.
    pub energy: Vec<Joules>,
}

/// How long an interpreter takes to start and do nothing (`python -c pass`): shown apart where a
/// workload marks no phase and its start-up is part of its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Startup {
    /// The interpreter with its GIL setting, as arms are named: `3.14t+gil`.
    pub python: String,
    /// Wall time of each start.
    pub seconds: Vec<f64>,
}

/// What one sensor said of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joules {
    /// The sensor.
    pub sensor: String,
    /// The class of its joules; `none` when it gave no figure.
    pub evidence: Evidence,
    /// Its figure, in microjoules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// It exited with 0 and its phase, if it marked one, is whole.
    Ok,
    /// It exited with another code.
    Exited {
        /// The code.
        code: i32,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// It ran past the timeout and was ended, with everything it had started.
    TimedOut,
    /// It ended, but what it did cannot be counted.
    Invalid {
        /// Why.
        why: String,
    },
}

/// How a run ended, as it is told of one that failed.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ok => write!(f, "it did not fail"),
            Outcome::Exited { code } => write!(f, "exit code {code}"),
            Outcome::Signaled { signal } => {
                write!(f, "ended by signal {signal} ({})", signal_name(*signal))
            }
            Outcome::TimedOut => write!(f, "ran past --timeout and was ended"),
            Outcome::Invalid { why } => write!(f, "{why}"),
        }
    }
}

/// Returns the usual name of a signal.
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

/// The outputs' identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// BLAKE3 of standard output.
    pub blake3: String,
    /// Its length.
    pub bytes: u64,
}

/// Modules whose byte code is not cached although they have been imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncached {
    /// Their names.
    pub modules: Vec<String>,
    /// The reason why it is not cached.
    pub why: String,
}

/// What the measuring itself cost in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// CPU seconds of the runner for this run, set-up and clearing up included.
    pub cpu_s: f64,
    /// Of these, while the part that counts was running.
    pub window_cpu_s: f64,
    /// Looks at the tree's memory.
    pub samples: u64,
    /// Of these, with PSS and USS.
    pub share_samples: u64,
    /// Looks at the threads, locks and collectors of the tree's Pythons; each process of a look
    /// counts.
    #[serde(default)]
    pub wait_samples: u64,
    /// Seconds the runner added to the run: set-up before it and clearing up after it.
    pub added_s: f64,
}

/// One run of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which arm, by its id.
    pub arm: String,
    /// Which block; 0 is warm-up and never compared.
    pub block: u32,
    /// Place in the block, from 0.
    pub order: u32,
    /// Seconds since this ungil began its blocks; from 0 again after a stop.
    pub at_s: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the workload marked the part that counts.
    pub marked: bool,
    /// The figures, by key.
    pub metrics: BTreeMap<String, f64>,
    /// What could not be measured, by key, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// What each sensor of energy said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub energy: Vec<Joules>,
    /// The whole machine meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Around>,
    /// Each core over the time of the run; absent from a run of less than a tenth of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<CoreUse>,
    /// What was seen that a reader must know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hazards: Vec<Hazard>,
    /// What it printed; absent where outputs are not comparable (a service).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Modules that are compiled in each run; looked for after the first run of an interpreter that
    /// marks no phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncached: Option<Uncached>,
    /// Where CPU time came from: `cgroup` or `proc`.
    pub counted_by: String,
    /// What the measuring cost.
    pub probes: Probes,
    /// The end of standard error of a run that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
}

/// A stop before the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// Why.
    pub why: String,
}

/// Going on after a stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// When, RFC 3339.
    pub at: String,
}
