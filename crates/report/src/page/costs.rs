//! What each arm costs beside time: memory, energy, and the time its threads waited.

use super::canvas::Class;
use super::chart::{Chart, Length, Series, Table, bars};
use crate::{View, joules};
use std::collections::BTreeMap;
use ungil_experiment::comparison::{ArmFigures, Figure};
use ungil_experiment::metric::{self, Unit, show};
use ungil_format::{digits, percent, power};

/// Threads waiting on average from which a wait is drawn.
const NOTICED: f64 = 0.01;

/// A metric of an arm as it is shown; why one is not there is said once, by [`unseen`].
pub(super) fn cell(arm: &ArmFigures, key: &str) -> String {
    let unit = metric::find(key).map_or(Unit::Number, |m| m.unit);
    match (arm.metrics.get(key), arm.missing.get(key)) {
        (Some(figure), _) => show(figure.median, unit),
        (None, Some(_)) => "not seen".into(),
        (None, None) => "-".into(),
    }
}

/// Why figures are not there, each reason once with the arms it holds for.
pub(super) fn unseen(view: View<'_>, keys: &[&str]) -> String {
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
    let said = reasons.iter().map(|(why, arms)| {
        let which = if arms.len() == all { "any arm".into() } else { arms.join(", ") };
        format!(" Not seen of {which}: {why}.")
    });
    said.collect()
}

/// A metric of an arm over the baseline's.
pub(super) fn ratio(arm: &ArmFigures, key: &str) -> String {
    let versus = arm.metrics.get(key).and_then(|f| f.baseline.as_ref());
    versus.and_then(|v| v.ratio).map_or_else(|| "-".into(), |r| ungil_format::ratio(r.ratio))
}

pub(super) fn length(series: u8, figure: &Figure) -> Length {
    Length { class: Class::Bar(series), value: figure.median, ends: Some(figure.quartiles) }
}

/// Peak memory.
pub(super) fn memory(view: View<'_>, series: &Series) -> Chart {
    let keys = ["pss_peak_bytes", "uss_peak_bytes", "rss_peak_bytes", "vms_peak_bytes"];
    let mut table = Table::new(["arm", "PSS", "× baseline", "USS", "RSS", "VMS"]);
    for arm in view.comparison.arms.iter().filter(|a| a.runs > 0) {
        let [pss, uss, rss, vms] = keys.map(|key| cell(arm, key));
        table.rows.push(vec![arm.arm.clone(), pss, ratio(arm, keys[0]), uss, rss, vms]);
    }
    let unseen = unseen(view, &keys);
    let all = |key: &str| {
        view.comparison.arms.iter().filter(|a| a.runs > 0).all(|a| a.metrics.contains_key(key))
    };
    let (key, name) = if all("pss_peak_bytes") {
        ("pss_peak_bytes", "PSS: memory shared between processes counts once")
    } else {
        (
            "rss_peak_bytes",
            "RSS, for PSS was not seen of every arm: memory shared between processes counts once for each",
        )
    };
    let arms = view.comparison.arms.iter().filter_map(|a| Some((a, a.metrics.get(key)?)));
    let rows: Vec<_> =
        arms.map(|(a, f)| (a.arm.as_str(), vec![length(series.of_id(view, &a.arm), f)])).collect();
    if rows.is_empty() {
        return Chart::numbers(
            "memory",
            "Memory",
            format!("The record has no figure of memory.{unseen}"),
            table,
        );
    }
    let says = format!(
        "The largest memory of all processes of a run together ({name}). The median over the runs; the line spans the quartiles.{unseen}"
    );
    let under = if key.starts_with("pss") { "PSS at its peak" } else { "RSS at its peak" };
    Chart::drawn("memory", "Memory at its peak", says, &bars(&rows, Unit::Bytes, under), table)
}

/// Energy, never without the class of its joules.
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
                vec![Length { ends: Some(ends), ..length(series.of_id(view, &arm.arm), figure) }],
            ));
        }
    }
    if rows.is_empty() {
        let why = view.record.header.absent.join("; ");
        let why = if why.is_empty() { "no sensor was asked for".into() } else { why };
        return Chart::numbers(
            "energy",
            "Energy",
            format!("Energy was not measured: {why}."),
            Table::default(),
        );
    }
    let covers = about.map_or("", |s| s.covers.as_str());
    let ends = if class == "model" { "the model's band" } else { "the quartiles" };
    let mut says = format!(
        "Joules of a run, whoever else used the machine meanwhile ({class}: {covers}). The median over the runs; the line spans {ends}."
    );
    if let Some(why) = arms().find_map(|a| a.missing.get("energy_above_idle_j")).filter(|_| !above)
    {
        says.push_str(&format!(" What the work added to an idle machine is not known: {why}."));
    }
    Chart::drawn(
        "energy",
        &format!("Energy ({class})"),
        says,
        &bars(&rows, Unit::Joules, "energy of a run"),
        table,
    )
}

/// Waiting: how many threads waited on average, for locks and for the GIL. Where adding workers
/// makes it slower, this says why.
pub(super) fn waits(view: View<'_>, series: &Series) -> Chart {
    let kinds = [
        ("lock_wait_s", "locks"),
        ("gil_wait_s", "the GIL"),
        ("gc_s", "GC"),
        ("stop_world_s", "stopped world"),
    ];
    let mut table =
        Table::new(["arm", "waiting for locks", "for the GIL", "collecting", "world stopped"]);
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
                (None, Some(_)) => "not seen".into(),
                (None, None) => "-".into(),
            }
        }));
        table.rows.push(row);
        let colour = series.of_id(view, &arm.arm);
        let lengths: Vec<Length> = [Class::Bar(colour), Class::Outline(colour)]
            .into_iter()
            .zip(&kinds)
            .filter_map(|(class, (key, _))| Some(Length { class, value: share(key)?, ends: None }))
            .collect();
        if lengths.len() == 2 {
            rows.push((arm.arm.as_str(), lengths));
        }
    }
    let title = "Threads that wait";
    let noticed = rows.iter().any(|(_, l)| l.iter().any(|l| l.value > NOTICED));
    if !noticed {
        let says = match why {
            Some(why) if rows.is_empty() => format!("Waiting was not measured: {why}."),
            _ if rows.is_empty() => {
                "Waiting was not measured: the record has no figure of it.".into()
            }
            _ => "Hardly any thread waited for a lock or the GIL in any arm.".into(),
        };
        return Chart::numbers("waiting", title, says, table);
    }
    let says = "How many threads waited on average, for locks and for the GIL, while the workload ran (sampled). The filled bar is waiting for locks, the hollow one waiting for the GIL. Work that collapses with more workers shows here: the workers wait for one object. ungil profile --mode lock says for which.";
    let plot = bars(&rows, Unit::Number, "threads waiting on average");
    Chart::drawn("waiting", title, says.into(), &plot, table)
}
