//! Hazards of all runs of a record, one line each.

use crate::View;
use std::collections::BTreeMap;
use ungil_experiment::hazard::{Hazard, Kind};
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
            Some(worst) if number(&hazard.says) > number(&worst.hazard.says) => {
                WorstRun { runs: worst.runs + 1, arm, hazard }
            }
            Some(worst) => WorstRun { runs: worst.runs + 1, ..worst },
        }
    }
}

/// Returns one line per hazard. What the machine did and failed requests are summed up over runs,
/// with the largest figure; other hazards are listed with their arms.
pub(crate) fn lines(view: View<'_>) -> Vec<String> {
    let mut by_text: BTreeMap<(Kind, &str), Vec<&str>> = BTreeMap::new();
    let mut machine: BTreeMap<(Kind, bool), Option<WorstRun<'_>>> = BTreeMap::new();
    let mut failed: BTreeMap<&str, Option<WorstRun<'_>>> = BTreeMap::new();
    for run in &view.record.runs {
        for hazard in &run.hazards {
            let worst = match hazard.kind {
                Kind::FailedRequests => failed.entry(run.arm.as_str()).or_default(),
                Kind::Steal | Kind::OtherLoad | Kind::Swap | Kind::Throttled => {
                    machine.entry((hazard.kind, is_quota(hazard))).or_default()
                }
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
        let up_to = if worst.runs > 1 { "up to " } else { "" };
        let runs = counted(of_arm(worst.arm), "run");
        format!("{} of {runs} of {}: {up_to}{}", worst.runs, worst.arm, worst.hazard.says)
    });
    let named = by_text.iter().map(|((_, text), arms)| format!("{}: {text}", arms.join(", ")));
    let machine = machine.into_values().flatten().map(|worst| {
        let arm = if worst.runs > 1 { String::new() } else { format!(" ({})", worst.arm) };
        let label = label(worst.hazard, worst.runs > 1);
        format!("{} of {}{arm}: {label}", worst.runs, counted(all, "run"))
    });
    failed.chain(named).chain(machine).collect()
}

/// Returns the label of a hazard of the machine: its figure first.
fn label(hazard: &Hazard, several: bool) -> String {
    let Some(figure) = figure(&hazard.says) else { return hazard.says.clone() };
    let up_to = if several { "up to " } else { "" };
    let count = |singular: &str| {
        let plural = if figure == "1" { "" } else { "s" };
        format!("{up_to}{figure} {singular}{plural}")
    };
    match hazard.kind {
        Kind::Steal => format!("{up_to}{figure} % of CPU time stolen by the hypervisor"),
        Kind::OtherLoad => format!("other processes used {up_to}{figure} cores"),
        Kind::Swap => format!("{} swapped", count("page")),
        Kind::Throttled if is_quota(hazard) => {
            format!("the CPU quota throttled the workload {}", count("time"))
        }
        Kind::Throttled => count("thermal throttling event"),
        _ => hazard.says.clone(),
    }
}

fn is_quota(hazard: &Hazard) -> bool {
    hazard.kind == Kind::Throttled && hazard.says.contains("quota")
}

/// Returns a hazard's text. That of an observed fork names process ids, which differ from run to
/// run.
fn without_ids(hazard: &Hazard) -> &str {
    match hazard.kind {
        Kind::ForkWithThreads if hazard.says.starts_with("process ") => {
            "a process was forked while threads ran"
        }
        _ => &hazard.says,
    }
}

/// Returns the first number in a text, as it is written.
fn figure(text: &str) -> Option<&str> {
    text.split_whitespace().find(|word| parse(word).is_some())
}

fn number(text: &str) -> f64 {
    figure(text).and_then(parse).unwrap_or(0.0)
}

fn parse(word: &str) -> Option<f64> {
    word.trim_start_matches(['<', '>']).replace(',', "").parse().ok()
}
