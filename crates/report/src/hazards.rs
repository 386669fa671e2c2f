//! Hazards of all runs of a record, one line each.

use crate::View;
use std::collections::BTreeMap;
use ungil_experiment::hazard::{Hazard, HazardKind};
use ungil_format::counted;

/// Runs with hazards of one kind, and the one with the largest figure.
struct WorstRun<'a> {
    runs: usize,
    arm: &'a str,
    hazard: &'a Hazard,
}

impl<'a> WorstRun<'a> {
    fn add(entry: Option<WorstRun<'a>>, arm: &'a str, hazard: &'a Hazard) -> WorstRun<'a> {
        match entry {
            None => WorstRun { runs: 1, arm, hazard },
            Some(worst) if hazard.figure() > worst.hazard.figure() => {
                WorstRun { runs: worst.runs + 1, arm, hazard }
            }
            Some(worst) => WorstRun { runs: worst.runs + 1, ..worst },
        }
    }

    /// Returns the hazard's description, with "up to" where it is the worst of several.
    fn label(&self) -> String {
        if self.runs > 1 { self.hazard.up_to() } else { self.hazard.says.clone() }
    }
}

/// Returns one line per hazard. What the machine did and failed requests are summed up over runs,
/// with the largest figure; other hazards are listed with their arms.
pub(crate) fn lines(view: View<'_>) -> Vec<String> {
    let mut by_text: BTreeMap<(HazardKind, &str), Vec<&str>> = BTreeMap::new();
    let mut machine: BTreeMap<HazardKind, Option<WorstRun<'_>>> = BTreeMap::new();
    let mut failed: BTreeMap<&str, Option<WorstRun<'_>>> = BTreeMap::new();
    for run in &view.record.runs {
        for hazard in &run.hazards {
            let worst = match hazard.kind {
                HazardKind::FailedRequests => failed.entry(run.arm.as_str()).or_default(),
                kind if kind.is_about_machine() => machine.entry(kind).or_default(),
                _ => {
                    let text = without_ids(hazard);
                    let arms = by_text.entry((hazard.kind, text)).or_default();
                    if !arms.contains(&run.arm.as_str()) {
                        arms.push(&run.arm);
                    }
                    continue;
                }
            };
            *worst = Some(WorstRun::add(worst.take(), &run.arm, hazard));
        }
    }
    let all = view.record.runs.len();
    let of_arm = |arm: &str| view.record.runs.iter().filter(|r| r.arm == arm).count();
    let failed = failed.into_values().flatten().map(|worst| {
        let runs = counted(of_arm(worst.arm), "run");
        format!("{} of {runs} of {}: {}", worst.runs, worst.arm, worst.label())
    });
    let named = by_text.iter().map(|((_, text), arms)| format!("{}: {text}", arms.join(", ")));
    let machine = machine.into_values().flatten().map(|worst| {
        let arm = if worst.runs > 1 { String::new() } else { format!(" ({})", worst.arm) };
        format!("{} of {}{arm}: {}", worst.runs, counted(all, "run"), worst.label())
    });
    failed.chain(named).chain(machine).collect()
}

/// Returns a hazard's text. That of an observed fork names process ids, which differ from run to
/// run.
fn without_ids(hazard: &Hazard) -> &str {
    match hazard.kind {
        HazardKind::ForkWithThreads if hazard.says.starts_with("process ") => {
            "a process was forked while threads ran"
        }
        _ => &hazard.says,
    }
}
