//! Hazards of all runs, told once each.

use crate::View;
use std::collections::BTreeMap;
use ungil_experiment::hazard::HazardKind as Kind;
use ungil_format::counted;

/// One line a hazard: its words, and in which arms or how many runs.
pub(crate) fn lines(view: View<'_>) -> Vec<String> {
    let mut by_words: BTreeMap<(Kind, &str), Vec<&str>> = BTreeMap::new();
    let mut by_kind: BTreeMap<Kind, (usize, &str, &str)> = BTreeMap::new();
    // Failed requests by arm: how many runs had some, and the words of the worst.
    let mut failed: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for run in &view.record.runs {
        for hazard in &run.hazards {
            if hazard.kind == Kind::FailedRequests {
                let entry = failed.entry(run.arm.as_str()).or_insert((0, &hazard.says));
                entry.0 += 1;
                if first_number(&hazard.says) > first_number(entry.1) {
                    entry.1 = &hazard.says;
                }
            } else if of_the_machine(hazard.kind) {
                let entry = by_kind.entry(hazard.kind).or_insert((0, &hazard.says, &run.arm));
                entry.0 += 1;
                // The widest words are the largest figure of their kind.
                if first_number(&hazard.says) > first_number(entry.1) {
                    (entry.1, entry.2) = (&hazard.says, &run.arm);
                }
            } else {
                let arms = by_words.entry((hazard.kind, without_ids(&hazard.says))).or_default();
                if !arms.contains(&run.arm.as_str()) {
                    arms.push(&run.arm);
                }
            }
        }
    }
    let runs = view.record.runs.len();
    let of = |arm: &str| view.record.runs.iter().filter(|r| r.arm == arm).count();
    let failed = failed.iter().map(|(arm, (n, says))| match of(arm) {
        1 => format!("{arm}: {says}"),
        all => format!("{arm}: {says} at worst ({} of {all})", counted(*n, "run")),
    });
    let named = by_words.iter().map(|((_, says), arms)| format!("{}: {says}", arms.join(", ")));
    let of_kind = by_kind.values().map(|(n, says, arm)| match n {
        1 => format!("{says} (one run of {runs}, {arm})"),
        n => format!("{says} at worst ({} of {runs})", counted(*n, "run")),
    });
    failed.chain(named).chain(of_kind).collect()
}

fn of_the_machine(kind: Kind) -> bool {
    matches!(kind, Kind::Steal | Kind::OtherLoad | Kind::Swap | Kind::Throttled)
}

/// The process numbers of a fork differ from run to run; what matters is that it forked.
fn without_ids(says: &str) -> &str {
    says.split_once(" while it ran the threads ")
        .map_or(says, |_| "a process was forked while threads ran")
}

fn first_number(text: &str) -> f64 {
    let number = |w: &str| w.replace(',', "").parse::<f64>().ok();
    text.split_whitespace().find_map(number).unwrap_or(0.0)
}
