//! The inputs shared by all runs, and what a run collects besides its window.

use crate::phase::Mark;
use crate::record::{Outcome, Settings};
use crate::stop::Stop;
use crate::workload::Workload;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;
use ungil_meter::HighWater;
use ungil_meter::energy::Sensor;

/// Inputs shared by all runs of an experiment.
pub(crate) struct RunContext<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) settings: &'a Settings,
    /// Directory with this crate's Python files. Runs create their phase channels in it.
    pub(crate) support: &'a Path,
    pub(crate) sensors: Vec<Box<dyn Sensor>>,
    pub(crate) stop: &'a Stop,
    pub(crate) env: &'a [(String, OsString)],
    pub(crate) began: Instant,
}

/// What is learned about a run besides its window.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) startup_ns: Option<u64>,
    /// Figures that cannot be computed from the load generator's report, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// The service's response when it was ready.
    pub(crate) ready_answer: Option<String>,
    /// CPU seconds of the load generator, which is not part of the measured tree.
    pub(crate) load_cpu_s: f64,
    /// The process that marks the phase.
    pub(crate) marker: Option<Mark>,
    /// The kernel's high-water marks of resident sets when the phase began.
    pub(crate) high_water: HighWater,
    /// Whether the workload ended inside a phase.
    pub(crate) unfinished: bool,
}
