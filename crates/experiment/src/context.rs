//! What a run is given and what it finds out, whether its workload ends by itself or is a service.

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

/// What all runs of an experiment share.
pub(crate) struct RunContext<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) settings: &'a Settings,
    /// Directory with this crate's Python files; runs make their channels in it.
    pub(crate) support: &'a Path,
    pub(crate) sensors: Vec<Box<dyn Sensor>>,
    pub(crate) stop: &'a Stop,
    pub(crate) env: &'a [(String, OsString)],
    pub(crate) began: Instant,
}

/// Collects what becomes known of a run beside its window.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) startup_ns: Option<u64>,
    /// Figures that the load generator's report does not allow, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// The service's answer when it was ready.
    pub(crate) ready_answer: Option<String>,
    /// CPU seconds of a load generator, which is not part of the tree.
    pub(crate) load_cpu_s: f64,
    /// The process that marks the phase.
    pub(crate) marker: Option<Mark>,
    /// The kernel's marks of resident sets when the phase began.
    pub(crate) high_water: HighWater,
    /// The workload ended inside a phase.
    pub(crate) unfinished: bool,
}
