//! The three figures at the head of a record: time or throughput, memory, energy. And every figure
//! at its end.

use super::chart::Table;
use crate::{View, joules};
use std::collections::BTreeSet;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{self, Unit, show};

/// Arms in the table of every figure; a wider one could not be read.
const ARMS: usize = 40;

/// A row a figure. Beside the baseline stands the arm that is surely better than it; where there is
/// none, the range of all others.
pub(super) fn figures(view: View<'_>) -> Table {
    let comparison = view.comparison;
    let baseline = comparison.arm(&comparison.baseline);
    let best = crate::sentences::best_arm(view);
    let memory = ["pss_peak_bytes", "rss_peak_bytes"]
        .into_iter()
        .find(|key| baseline.is_some_and(|a| a.metrics.contains_key(*key)))
        .unwrap_or("rss_peak_bytes");
    let head = match best {
        Some(arm) => vec![arm.arm.clone(), format!("baseline {}", comparison.baseline), "×".into()],
        None => vec![format!("baseline {}", comparison.baseline), "other arms".into()],
    };
    let mut table = Table::new([vec![String::new()], head].concat());
    for key in [comparison.headline.as_str(), memory, "energy_j"] {
        let unit = metric::find(key).map_or(Unit::Number, |m| m.unit);
        let title = metric::find(key).map_or(key, |m| m.title);
        let title = match key {
            "energy_j" => {
                format!(
                    "energy ({})",
                    joules::sensor(view).map_or("no sensor", |s| joules::class(s.evidence))
                )
            }
            _ if key == memory => format!("memory ({title})"),
            _ => title.into(),
        };
        let value = |arm: Option<&ArmFigures>| match arm.and_then(|a| a.metrics.get(key)) {
            Some(figure) => show(figure.median, unit),
            None => "not measured".into(),
        };
        let mut row = vec![title];
        match best {
            Some(arm) => {
                let ratio = arm.metrics.get(key).and_then(|f| f.baseline.as_ref()?.ratio);
                let ratio = ratio.map_or_else(|| "-".into(), |r| r.to_string());
                row.extend([value(Some(arm)), value(baseline), ratio]);
            }
            None => {
                let others = comparison.arms.iter().filter(|a| a.arm != comparison.baseline);
                let mut values: Vec<f64> =
                    others.filter_map(|a| Some(a.metrics.get(key)?.median)).collect();
                values.sort_by(f64::total_cmp);
                let range = match values.as_slice() {
                    [] => "-".into(),
                    [one] => show(*one, unit),
                    [low, .., high] => format!("{} to {}", show(*low, unit), show(*high, unit)),
                };
                row.extend([value(baseline), range]);
            }
        }
        table.rows.push(row);
    }
    table
}

/// Every metric of the record: a row a metric, a column an arm, medians over the runs.
pub(super) fn every(view: View<'_>) -> Table {
    let arms: Vec<&ArmFigures> =
        view.comparison.arms.iter().filter(|a| a.runs > 0).take(ARMS).collect();
    let keys: BTreeSet<(usize, &str)> = arms
        .iter()
        .flat_map(|a| a.metrics.keys())
        .map(|key| (metric::rank(key), key.as_str()))
        .collect();
    let mut table = Table::new(["figure"]);
    table.head.extend(arms.iter().map(|a| a.arm.clone()));
    for (_, key) in keys {
        let mut row = vec![metric::find(key).map_or(key, |m| m.title).to_string()];
        row.extend(arms.iter().map(|arm| super::costs::cell(arm, key)));
        table.rows.push(row);
    }
    table
}

/// What stands beside [`every`].
pub(super) fn of_every(view: View<'_>) -> String {
    let all = view.comparison.arms.iter().filter(|a| a.runs > 0).count();
    let rest = if all > ARMS { format!(" The first {ARMS} of {all} arms.") } else { String::new() };
    format!("Medians over the runs of everything that was measured.{rest}")
}
