//! The hazards of all runs of a suite.

use super::what;
use crate::folder::Study;
use std::collections::BTreeMap;
use ungil_experiment::hazard::{Hazard, HazardKind};
use ungil_format::counted;

/// Returns one line per kind of hazard: the number of runs, and the worst or the first of them.
pub(super) fn hazards(study: &Study) -> Vec<String> {
    let runs = || {
        let all = study.records.iter().flat_map(|(p, r)| r.runs.iter().map(move |run| (p, run)));
        all.filter(|(_, run)| run.block > 0)
    };
    let total = runs().count();
    let mut kinds: BTreeMap<HazardKind, (usize, &Hazard, String)> = BTreeMap::new();
    for (point, run) in runs() {
        // At most one hazard per kind and run. Why a run died is listed among the failures.
        let hazards: BTreeMap<HazardKind, &Hazard> =
            run.hazards.iter().map(|h| (h.kind, h)).collect();
        for (kind, hazard) in hazards.into_iter().filter(|(kind, _)| *kind != HazardKind::Died) {
            let of_run = || format!("{}, {}", what(point), run.arm);
            let entry = kinds.entry(kind).or_insert_with(|| (0, hazard, of_run()));
            entry.0 += 1;
            if kind.is_about_machine() && hazard.figure() > entry.1.figure() {
                (entry.1, entry.2) = (hazard, of_run());
            }
        }
    }
    let line = |(kind, (count, hazard, of_run)): (HazardKind, (usize, &Hazard, String))| {
        let runs = format!("{count} of {}", counted(total, "run"));
        if kind.is_about_machine() {
            format!("{runs}: {}", hazard.up_to())
        } else {
            format!("{runs}, for example: {} ({of_run})", hazard.says)
        }
    };
    kinds.into_iter().map(line).collect()
}
