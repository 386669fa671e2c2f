//! Charts of what each arm costs besides time: memory, energy, and waiting threads.

use super::canvas::Class;
use super::chart::{BarValue, Chart, Series, Table, bars};
use crate::{View, joules};
use std::collections::BTreeMap;
use ungil_experiment::comparison::{ArmFigures, Figure};
use ungil_experiment::metric::{self, Unit, show};
use ungil_format::{digits, percent, power};

/// Average number of waiting threads from which waits are drawn.
const MIN_WAITING: f64 = 0.01;

/// Formats a metric of an arm. [`missing_reasons`] gives the reasons of missing ones.
pub(super) fn cell(arm: &ArmFigures, key: &str) -> String {
    let unit = metric::find(key).map_or(Unit::Number, |m| m.unit);
    match (arm.metrics.get(key), arm.missing.get(key)) {
        (Some(figure), _) => show(figure.median, unit),
        (None, Some(_)) => "n/a".into(),
        (None, None) => "-".into(),
    }
}

/// Returns why figures are missing, each reason once with its arms.
pub(super) fn missing_reasons(view: View<'_>, keys: &[&str]) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for arm in view.comparison.arms.iter().filter(|a| a.runs > 0) {
        for why in keys.iter().filter_map(|key| arm.missing.get(*key)) {
            let arms = reasons.entry(why).or_default();
            if arms.last() != Some(&arm.arm.as_str()) {
                arms.push(&arm.arm);
            }
        }
    }
    let all = view.comparison.arms.iter().filter(|a| a.runs > 0).count();
    let reason = |(why, arms): (&&str, &Vec<&str>)| {
        let which = if arms.len() == all { "any arm".into() } else { arms.join(", ") };
        format!(" Not measured for {which}: {why}.")
    };
    reasons.iter().map(reason).collect()
}

/// Formats the ratio of an arm's metric with the baseline's.
pub(super) fn ratio(arm: &ArmFigures, key: &str) -> String {
    let versus = arm.metrics.get(key).and_then(|f| f.baseline.as_ref());
    versus.and_then(|v| v.ratio).map_or_else(|| "-".into(), |r| ungil_format::ratio(r.ratio))
}

pub(super) fn length(series: u8, figure: &Figure) -> BarValue {
    BarValue { class: Class::Bar(series), value: figure.median, ends: Some(figure.quartiles) }
}

/// Returns the arms that have runs.
pub(super) fn arms_with_runs(view: View<'_>) -> Vec<&ArmFigures> {
    view.comparison.arms.iter().filter(|a| a.runs > 0).collect()
}

/// Returns the column of the arms' names.
pub(super) fn arm_column(arms: &[&ArmFigures]) -> (String, Vec<String>) {
    ("arm".into(), arms.iter().map(|a| a.arm.clone()).collect())
}

/// Returns the column of a metric, in one unit; `None` for an unknown metric.
pub(super) fn metric_column(arms: &[&ArmFigures], key: &str) -> Option<(String, Vec<String>)> {
    let metric = metric::find(key)?;
    Some(crate::table::column(arms, metric, |arm| Some(arm.metrics.get(key)?.median)))
}

/// Returns the column of a metric's ratios with the baseline.
pub(super) fn ratio_column(arms: &[&ArmFigures], key: &str) -> (String, Vec<String>) {
    ("× baseline".into(), arms.iter().map(|arm| ratio(arm, key)).collect())
}

/// Returns the chart of peak memory.
pub(super) fn memory(view: View<'_>, series: &Series) -> Chart {
    let keys = ["pss_peak_bytes", "uss_peak_bytes", "rss_peak_bytes", "vms_peak_bytes"];
    let measured = arms_with_runs(view);
    let mut columns = vec![arm_column(&measured)];
    for key in keys {
        columns.extend(metric_column(&measured, key));
        if key == keys[0] {
            columns.push(ratio_column(&measured, key));
        }
    }
    let table = Table::from_columns(columns);
    let missing = missing_reasons(view, &keys);
    let all = |key: &str| {
        view.comparison.arms.iter().filter(|a| a.runs > 0).all(|a| a.metrics.contains_key(key))
    };
    let (key, name) = if all("pss_peak_bytes") {
        ("pss_peak_bytes", "PSS: memory shared between processes counts once")
    } else {
        (
            "rss_peak_bytes",
            "RSS, because PSS was not measured for every arm: memory shared between processes counts once for each process",
        )
    };
    let arms = view.comparison.arms.iter().filter_map(|a| Some((a, a.metrics.get(key)?)));
    let rows: Vec<_> =
        arms.map(|(a, f)| (a.arm.as_str(), vec![length(series.of_id(view, &a.arm), f)])).collect();
    if rows.is_empty() {
        return Chart::without_drawing(
            "memory",
            "Memory",
            format!("The record has no figures of memory.{missing}"),
            table,
        );
    }
    let description = format!(
        "Peak memory of all processes of a run together ({name}). Medians over the runs; lines span the quartiles.{missing}"
    );
    let under = if key.starts_with("pss") { "peak PSS" } else { "peak RSS" };
    Chart::drawn("memory", "Peak memory", description, &bars(&rows, Unit::Bytes, under), table)
}

/// Returns the chart of energy, with its evidence class.
pub(super) fn energy(view: View<'_>, series: &Series) -> Chart {
    let about = joules::sensor(view);
    let class = about.map_or("no sensor", |s| joules::class(s.evidence));
    let arms = || view.comparison.arms.iter().filter(|a| a.runs > 0);
    let above = arms().any(|a| a.metrics.contains_key("energy_above_idle_j"));
    let mut table = Table::new(["arm", "energy", "× baseline", "mean power"]);
    table.head.extend(above.then(|| "above idle".to_string()));
    let mut rows = Vec::new();
    for arm in arms() {
        let median = |key: &str| arm.metrics.get(key).map(|f| f.median);
        let watts = median("energy_j").zip(median("wall_s")).filter(|(_, s)| *s > 0.0);
        let energy = joules::of_arm(view, &arm.arm).unwrap_or_else(|| cell(arm, "energy_j"));
        let power = watts.map_or_else(|| "-".into(), |(j, s)| power(j / s));
        let mut row = vec![arm.arm.clone(), energy, ratio(arm, "energy_j"), power];
        row.extend(above.then(|| cell(arm, "energy_above_idle_j")));
        table.rows.push(row);
        if let Some(figure) = arm.metrics.get("energy_j") {
            let ends = joules::band(view, &arm.arm).unwrap_or(figure.quartiles);
            rows.push((
                arm.arm.as_str(),
                vec![BarValue { ends: Some(ends), ..length(series.of_id(view, &arm.arm), figure) }],
            ));
        }
    }
    if rows.is_empty() {
        let why = view.record.header.absent.join("; ");
        let why = if why.is_empty() { "no sensor was requested".into() } else { why };
        return Chart::without_drawing(
            "energy",
            "Energy",
            format!("Energy was not measured: {why}."),
            Table::default(),
        );
    }
    let covers = about.map_or("", |s| s.covers.as_str());
    let ends = if class == "model" { "the model's band" } else { "the quartiles" };
    let mut description = format!(
        "Energy of a run, including other programs of the machine ({class}: {covers}). Medians over the runs; lines span {ends}."
    );
    if let Some(why) = arms().find_map(|a| a.missing.get("energy_above_idle_j")).filter(|_| !above)
    {
        description.push_str(&format!(" Energy above idle is not measured: {why}."));
    }
    Chart::drawn(
        "energy",
        &format!("Energy ({class})"),
        description,
        &bars(&rows, Unit::Joules, "energy of a run"),
        table,
    )
}

/// Returns the chart of the average number of threads that waited for locks and for the GIL. It
/// shows why more workers make a workload slower.
pub(super) fn waits(view: View<'_>, series: &Series) -> Chart {
    let kinds = [
        ("lock_wait_s", "locks"),
        ("gil_wait_s", "the GIL"),
        ("gc_s", "GC"),
        ("stop_world_s", "stop-the-world"),
    ];
    let mut table =
        Table::new(["arm", "waiting for locks", "waiting for the GIL", "GC", "stop-the-world"]);
    let (mut rows, mut why) = (Vec::new(), None);
    for arm in view.comparison.arms.iter().filter(|a| a.runs > 0) {
        let wall = arm.metrics.get("wall_s").map(|f| f.median).filter(|s| *s > 0.0);
        let share = |key: &str| Some(arm.metrics.get(key)?.median / wall?);
        why = why.or_else(|| kinds.iter().find_map(|(key, _)| arm.missing.get(*key)));
        let mut row = vec![arm.arm.clone()];
        row.extend(kinds.iter().enumerate().map(|(i, (key, _))| {
            match (share(key), arm.missing.get(*key)) {
                (Some(s), _) if i < 2 => format!("{} threads", digits(s)),
                (Some(s), _) => format!("{} of the time", percent(s)),
                (None, Some(_)) => "n/a".into(),
                (None, None) => "-".into(),
            }
        }));
        table.rows.push(row);
        let colour = series.of_id(view, &arm.arm);
        let values: Vec<BarValue> = [Class::Bar(colour), Class::Outline(colour)]
            .into_iter()
            .zip(&kinds)
            .filter_map(|(class, (key, _))| {
                Some(BarValue { class, value: share(key)?, ends: None })
            })
            .collect();
        if values.len() == 2 {
            rows.push((arm.arm.as_str(), values));
        }
    }
    let title = "Waiting threads";
    let noticed = rows.iter().any(|(_, l)| l.iter().any(|l| l.value > MIN_WAITING));
    if !noticed {
        let description = match why {
            Some(why) if rows.is_empty() => format!("Waiting was not measured: {why}."),
            _ if rows.is_empty() => {
                "Waiting was not measured: the record has no figures of it.".into()
            }
            _ => "Threads hardly waited for a lock or the GIL in any arm.".into(),
        };
        return Chart::without_drawing("waiting", title, description, table);
    }
    let description = "Average number of threads that waited while the workload ran (sampled): for locks (filled bar) and for the GIL (hollow bar). If a workload gets slower with more workers, they often wait for one object; ungil profile --mode lock shows which.";
    let plot = bars(&rows, Unit::Number, "threads waiting on average");
    Chart::drawn("waiting", title, description.into(), &plot, table)
}
