//! What was seen while running that a reader of the figures must know, each naming the module,
//! line, process or number.

use serde::{Deserialize, Serialize};
use ungil_format::{counted, digits, percent};
use ungil_meter::machine::Around;

/// Something that puts a figure in doubt or a program at risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hazard {
    /// Which kind.
    pub kind: Kind,
    /// In words, with the particulars.
    pub says: String,
}

/// Kinds of hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The GIL was switched back on in a free-threaded build.
    GilEnabled,
    /// A process was forked while threads ran.
    ForkWithThreads,
    /// Pages were swapped.
    Swap,
    /// A core was throttled for heat, or a quota held the workload back.
    Throttled,
    /// The hypervisor gave time to others.
    Steal,
    /// Others kept the machine busy.
    OtherLoad,
    /// A run failed.
    Died,
    /// Processes outlived the workload's main process.
    Leftovers,
    /// The phase was marked in a way that cannot be counted.
    Phase,
    /// Requests to a service failed or were refused.
    FailedRequests,
    /// A service may not have been ready, or not with all its workers, when the load began.
    Readiness,
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

impl Hazard {
    /// A hazard from its kind and words.
    pub fn new(kind: Kind, says: impl Into<String>) -> Hazard {
        Hazard { kind, says: says.into() }
    }
}

/// Share of the machine's time above which stolen time is worth a word.
const STEAL: f64 = 0.02;
/// Cores' worth of other people's work above which it is worth a word. `/proc/stat` counts in ticks
/// of 10 ms.
const OTHER_CORES: f64 = 0.15;

/// Hazards in what the machine did during a window of `wall_s` in which the workload and ungil used
/// `own_cpu_s`.
pub fn of_machine(around: &Around, wall_s: f64, own_cpu_s: f64) -> Vec<Hazard> {
    let mut found = Vec::new();
    // /proc/stat counts in ticks of 10 ms on each core: a window must be long for a small share to
    // be real.
    let cores = around.per_core.len().max(1) as f64;
    let tick = 0.01 / wall_s.max(1e-9);
    if around.steal > STEAL + tick {
        let says = format!(
            "the hypervisor gave {} of this machine's time to others",
            percent(around.steal)
        );
        found.push(Hazard::new(Kind::Steal, says));
    }
    let other = around.busy_cores - own_cpu_s / wall_s.max(1e-9);
    if other > OTHER_CORES + tick * cores {
        let says = format!("other programs kept {} cores busy", digits(other));
        found.push(Hazard::new(Kind::OtherLoad, says));
    }
    if around.swapped_pages > 0 {
        let says = format!("{} swapped", counted(around.swapped_pages, "page"));
        found.push(Hazard::new(Kind::Swap, says));
    }
    if around.throttled > 0 {
        let says = format!("cores were throttled for heat {}", counted(around.throttled, "time"));
        found.push(Hazard::new(Kind::Throttled, says));
    }
    if around.quota_throttled > 0 {
        let says = format!(
            "a CPU quota held the workload back {}",
            counted(around.quota_throttled, "time")
        );
        found.push(Hazard::new(Kind::Throttled, says));
    }
    found
}

/// A hazard in a line of the workload's standard error: CPython's own warnings.
pub fn of_stderr(line: &str) -> Option<Hazard> {
    if let Some((_, rest)) =
        line.split_once("The global interpreter lock (GIL) has been enabled to load module '")
    {
        let module = rest.split('\'').next().unwrap_or(rest);
        let says = format!(
            "importing '{module}' switched the GIL back on: it does not declare that it runs without"
        );
        return Some(Hazard::new(Kind::GilEnabled, says));
    }
    let (place, _) = line.split_once(": DeprecationWarning: This process (pid=")?;
    line.contains("is multi-threaded, use of fork() may lead to deadlocks").then(|| {
        Hazard::new(Kind::ForkWithThreads, format!("forked while threads ran, at {}", place.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_warnings_are_understood() {
        let line = "<frozen importlib._bootstrap>:491: RuntimeWarning: The global interpreter lock (GIL) has been enabled to load \
                    module '_nogood', which has not declared that it can run safely without the GIL. To override this";
        let hazard = of_stderr(line).expect("a hazard");
        assert_eq!(hazard.kind, Kind::GilEnabled);
        assert!(hazard.says.contains("'_nogood'"));
        let line = "/app/run.py:7: DeprecationWarning: This process (pid=31) is multi-threaded, use of fork() may lead to \
                    deadlocks in the child.";
        let hazard = of_stderr(line).expect("a hazard");
        assert_eq!(
            (hazard.kind, hazard.says.contains("/app/run.py:7")),
            (Kind::ForkWithThreads, true)
        );
        assert_eq!(of_stderr("nothing of the kind"), None);
    }

    #[test]
    fn load_of_others_is_told_from_ones_own() {
        let around = Around { per_core: vec![1.0, 0.9], busy_cores: 1.9, ..Around::default() };
        assert!(of_machine(&around, 2.0, 3.75).is_empty());
        let found = of_machine(&around, 2.0, 2.0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, Kind::OtherLoad);
    }
}
