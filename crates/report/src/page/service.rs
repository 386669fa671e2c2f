//! A service under load: how many requests it answered, how long they took, how many failed.

use super::canvas::Class;
use super::chart::{Chart, Series, Table, bars, round};
use super::costs::{cell, length, ratio, unseen};
use super::plot::{Axis, Down, Item, Plot};
use crate::View;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{METRICS, Unit};

/// Percentiles of the time that an answer took, in ascending order.
const PERCENTILES: [&str; 3] = ["latency_p50_s", "latency_p90_s", "latency_p99_s"];

/// Whether a metric comes from the program that makes the load.
pub(super) fn is_of_load(key: &str) -> bool {
    ["throughput", "latency", "request", "failed"].iter().any(|word| key.contains(word))
}

/// The arms that have runs.
fn arms<'a>(view: View<'a>) -> impl Iterator<Item = &'a ArmFigures> {
    view.comparison.arms.iter().filter(|a| a.runs > 0)
}

/// The charts of a service; none of a record whose runs were not under load.
pub(super) fn charts(view: View<'_>, series: &Series) -> Vec<Chart> {
    if !arms(view).any(|a| a.metrics.keys().any(|key| is_of_load(key))) {
        return Vec::new();
    }
    vec![throughput(view, series), latency(view, series), failures(view, series)]
}

fn throughput(view: View<'_>, series: &Series) -> Chart {
    let key = "throughput_per_s";
    let mut table = Table::new(["arm", "throughput", "× baseline"]);
    table.rows = arms(view).map(|a| vec![a.arm.clone(), cell(a, key), ratio(a, key)]).collect();
    drawn(view, series, "throughput", "Throughput", key, Unit::PerSecond, table)
}

/// Requests that failed or were refused, with everything else that is counted of requests.
fn failures(view: View<'_>, series: &Series) -> Chart {
    let counted = METRICS.iter().filter(|m| {
        let apart = m.key.starts_with("latency") || m.key.starts_with("throughput");
        is_of_load(m.key) && !apart
    });
    let shown: Vec<_> = counted
        .filter(|m| m.key == "failed_requests" || arms(view).any(|a| a.metrics.contains_key(m.key)))
        .collect();
    let mut table = Table::new(["arm"]);
    table.head.extend(shown.iter().map(|m| m.title.to_string()));
    for arm in arms(view) {
        let mut row = vec![arm.arm.clone()];
        row.extend(shown.iter().map(|m| cell(arm, m.key)));
        table.rows.push(row);
    }
    let failed = |a: &ArmFigures| {
        a.metrics.get("failed_requests").is_some_and(|f| f.median > 0.0 || f.quartiles.1 > 0.0)
    };
    if arms(view).any(failed) {
        return drawn(
            view,
            series,
            "failures",
            "Failed requests",
            "failed_requests",
            Unit::Number,
            table,
        );
    }
    let says = "The load generator reported no failed request.".into();
    Chart::numbers("failures", "Failed requests", says, table)
}

fn drawn(
    view: View<'_>,
    series: &Series,
    kind: &'static str,
    title: &str,
    key: &str,
    unit: Unit,
    table: Table,
) -> Chart {
    let arms = || arms(view).filter_map(|a| Some((a, a.metrics.get(key)?)));
    let rows: Vec<_> = arms()
        .map(|(a, f)| (a.arm.as_str(), vec![length(series.of_id(view, &a.arm), f)]))
        .collect();
    let unseen = unseen(view, &[key]);
    if rows.is_empty() {
        return Chart::numbers(
            kind,
            title,
            format!("The record has no figure of it.{unseen}"),
            table,
        );
    }
    let what = if unit == Unit::PerSecond {
        "Requests answered in a second."
    } else {
        "Requests of a run."
    };
    let says = format!("{what} The median over the runs; the line spans the quartiles.{unseen}");
    let under = if unit == Unit::PerSecond { "requests a second" } else { "requests" };
    Chart::drawn(kind, title, says, &bars(&rows, unit, under), table)
}

/// The percentiles of each arm on one line.
fn latency(view: View<'_>, series: &Series) -> Chart {
    let shown: Vec<_> = METRICS
        .iter()
        .filter(|m| {
            m.key.starts_with("latency") && arms(view).any(|a| a.metrics.contains_key(m.key))
        })
        .collect();
    let mut table = Table::new(["arm"]);
    for m in &shown {
        table.head.extend([m.title.to_string(), "× baseline".into()]);
    }
    let (mut names, mut items, mut reach) = (Vec::new(), Vec::new(), Vec::new());
    for arm in arms(view) {
        let mut row = vec![arm.arm.clone()];
        row.extend(shown.iter().flat_map(|m| [cell(arm, m.key), ratio(arm, m.key)]));
        table.rows.push(row);
        let values: Vec<f64> =
            PERCENTILES.iter().filter_map(|key| Some(arm.metrics.get(*key)?.median)).collect();
        let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
        let (y, s) = (names.len() as f64 + 0.5, series.of_id(view, &arm.arm));
        items.push(Item::Line(Class::Whisker(s), [(*first, y), (*last, y)]));
        items.extend(values.iter().map(|v| Item::Mark(Class::Mark(s), *v, y)));
        reach.extend(values);
        names.push(arm.arm.clone());
    }
    let title = "Time to answer";
    if names.is_empty() {
        let says = "The load generator reported no percentiles; wrk does with --latency.".into();
        return Chart::numbers("latency", title, says, table);
    }
    let says = "How long an answer took: the dots of a row are p50, p90 and p99 from left to right (those that the load generator reported), medians over the runs. Left is better.";
    let plot = Plot {
        x: Axis::log(reach, &|v| round(v, Unit::Seconds)),
        down: Down::Rows { names, each: 12 },
        under: "time to answer, p50 to p99".into(),
        items,
    };
    Chart::drawn("latency", title, says.into(), &plot, table)
}
