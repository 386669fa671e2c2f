//! Hazards: observations during a run that put its figures in doubt or the program at risk. Each
//! names the module, line, process or number concerned.

use serde::{Deserialize, Serialize};
use ungil_format::{counted, digits, percent};
use ungil_meter::machine::Around;

/// Something that puts a figure in doubt or a program at risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hazard {
    /// The kind.
    pub kind: HazardKind,
    /// A short description with the details.
    pub says: String,
}

/// The kinds of hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HazardKind {
    /// The GIL was re-enabled in a free-threaded build.
    GilEnabled,
    /// A process forked while it ran several threads.
    ForkWithThreads,
    /// Pages were swapped.
    Swap,
    /// A core was thermally throttled, or a CPU quota throttled the workload.
    Throttled,
    /// The hypervisor gave CPU time to other virtual machines.
    Steal,
    /// Other processes used the CPU.
    OtherLoad,
    /// A run failed.
    Died,
    /// Processes outlived the workload's main process.
    Leftovers,
    /// Phase marks were invalid.
    Phase,
    /// Requests to a service failed or were refused.
    FailedRequests,
    /// A service may not have been ready, or not with all its workers, when the load began.
    Readiness,
    /// A kind written by a later version.
    #[serde(other)]
    Unknown,
}

impl HazardKind {
    /// Returns whether the hazard concerns the machine, and is therefore described by a number.
    pub fn is_about_machine(self) -> bool {
        matches!(self, Self::Steal | Self::OtherLoad | Self::Swap | Self::Throttled)
    }
}

impl Hazard {
    /// Returns the first number of the description; 0 if it has none.
    pub fn figure(&self) -> f64 {
        let number = |word: &str| word.replace(',', "").parse::<f64>().ok();
        self.says.split_whitespace().find_map(number).unwrap_or(0.0)
    }

    /// Returns the description with "up to" before the first number, for the worst of several
    /// hazards of one kind.
    pub fn up_to(&self) -> String {
        let number = |word: &&str| word.replace(',', "").parse::<f64>().is_ok();
        match self.says.split(' ').find(number) {
            Some(number) => self.says.replacen(number, &format!("up to {number}"), 1),
            None => self.says.clone(),
        }
    }

    /// Creates a hazard.
    pub fn new(kind: HazardKind, says: impl Into<String>) -> Hazard {
        Hazard { kind, says: says.into() }
    }
}

/// Share of stolen CPU time above which it is reported.
const MIN_STEAL: f64 = 0.02;
/// CPU use of other processes, in cores, above which it is reported. `/proc/stat` counts in ticks
/// of 10 ms.
const MIN_OTHER_CORES: f64 = 0.15;

/// Returns the hazards of a window of `wall_s` seconds in which the workload and ungil together
/// used `own_cpu_s` CPU seconds.
pub fn of_machine(around: &Around, wall_s: f64, own_cpu_s: f64) -> Vec<Hazard> {
    let mut found = Vec::new();
    // /proc/stat counts in ticks of 10 ms per core, so in a short window a small share may be an
    // artifact of the ticks.
    let cores = around.per_core.len().max(1) as f64;
    let tick = 0.01 / wall_s.max(1e-9);
    if around.steal > MIN_STEAL + tick {
        let says = format!("{} of CPU time stolen by the hypervisor", percent(around.steal));
        found.push(Hazard::new(HazardKind::Steal, says));
    }
    let other = around.busy_cores - own_cpu_s / wall_s.max(1e-9);
    if other > MIN_OTHER_CORES + tick * cores {
        let says = format!("other processes used {} cores", digits(other));
        found.push(Hazard::new(HazardKind::OtherLoad, says));
    }
    if around.swapped_pages > 0 {
        let says = format!("{} swapped", counted(around.swapped_pages, "page"));
        found.push(Hazard::new(HazardKind::Swap, says));
    }
    if around.throttled > 0 {
        let says = format!("cores thermally throttled {}", counted(around.throttled, "time"));
        found.push(Hazard::new(HazardKind::Throttled, says));
    }
    if around.quota_throttled > 0 {
        let says = format!(
            "workload throttled {} by a CPU quota",
            counted(around.quota_throttled, "time")
        );
        found.push(Hazard::new(HazardKind::Throttled, says));
    }
    found
}

/// Returns the hazard that a line of the workload's standard error reports, if it is one of
/// CPython's own warnings.
pub fn of_stderr(line: &str) -> Option<Hazard> {
    if let Some((_, rest)) =
        line.split_once("The global interpreter lock (GIL) has been enabled to load module '")
    {
        let module = rest.split('\'').next().unwrap_or(rest);
        let says = format!(
            "importing '{module}' re-enabled the GIL: the module does not declare that it supports running without it"
        );
        return Some(Hazard::new(HazardKind::GilEnabled, says));
    }
    let (location, _) = line.split_once(": DeprecationWarning: This process (pid=")?;
    line.contains("is multi-threaded, use of fork() may lead to deadlocks").then(|| {
        Hazard::new(
            HazardKind::ForkWithThreads,
            format!("forked while threads ran, at {}", location.trim()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_the_warnings_of_cpython() {
        let line = "<frozen importlib._bootstrap>:491: RuntimeWarning: The global interpreter lock (GIL) has been enabled to load \
                    module '_nogood', which has not declared that it can run safely without the GIL. To override this";
        let hazard = of_stderr(line).expect("a hazard");
        assert_eq!(hazard.kind, HazardKind::GilEnabled);
        assert!(hazard.says.contains("'_nogood'"));
        let line = "/app/run.py:7: DeprecationWarning: This process (pid=31) is multi-threaded, use of fork() may lead to \
                    deadlocks in the child.";
        let hazard = of_stderr(line).expect("a hazard");
        assert_eq!(
            (hazard.kind, hazard.says.contains("/app/run.py:7")),
            (HazardKind::ForkWithThreads, true)
        );
        assert_eq!(of_stderr("nothing of the kind"), None);
    }

    #[test]
    fn cpu_use_of_other_processes_excludes_the_workloads_own() {
        let around = Around { per_core: vec![1.0, 0.9], busy_cores: 1.9, ..Around::default() };
        assert!(of_machine(&around, 2.0, 3.75).is_empty());
        let found = of_machine(&around, 2.0, 2.0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, HazardKind::OtherLoad);
    }
    #[test]
    fn worst_hazard_is_an_upper_bound() {
        let steal = Hazard::new(HazardKind::Steal, "38.8 % of CPU time stolen by the hypervisor");
        assert_eq!(steal.figure(), 38.8);
        assert_eq!(steal.up_to(), "up to 38.8 % of CPU time stolen by the hypervisor");
        let load = Hazard::new(HazardKind::OtherLoad, "other processes used 0.50 cores");
        assert_eq!(
            (load.figure(), load.up_to().as_str()),
            (0.5, "other processes used up to 0.50 cores")
        );
        assert_eq!(Hazard::new(HazardKind::Swap, "swapped").up_to(), "swapped");
    }
}
