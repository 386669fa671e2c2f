//! Charts of a service under load: throughput, latency, failed requests.

use super::canvas::Class;
use super::chart::{Chart, Series, Table, bars, round};
use super::costs::{
    arm_column, arms_with_runs, cell, length, metric_column, missing_reasons, ratio_column,
};
use super::plot::{Axis, Plot, Shape, VerticalAxis};
use crate::View;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{METRICS, Unit};

/// Latency percentiles, in ascending order.
const PERCENTILES: [&str; 3] = ["latency_p50_s", "latency_p90_s", "latency_p99_s"];

/// Returns whether a metric comes from the load generator.
pub(super) fn is_of_load(key: &str) -> bool {
    ["throughput", "latency", "request", "failed"].iter().any(|word| key.contains(word))
}

/// Returns the arms that have runs.
fn arms<'a>(view: View<'a>) -> impl Iterator<Item = &'a ArmFigures> {
    view.comparison.arms.iter().filter(|a| a.runs > 0)
}

/// Returns the charts of a service; none for other workloads.
pub(super) fn charts(view: View<'_>, series: &Series) -> Vec<Chart> {
    if !arms(view).any(|a| a.metrics.keys().any(|key| is_of_load(key))) {
        return Vec::new();
    }
    vec![throughput(view, series), latency(view, series), failures(view, series)]
}

fn throughput(view: View<'_>, series: &Series) -> Chart {
    let key = "throughput_per_s";
    let measured = arms_with_runs(view);
    let mut columns = vec![arm_column(&measured)];
    columns.extend(metric_column(&measured, key));
    columns.push(ratio_column(&measured, key));
    let table = Table::from_columns(columns);
    drawn(view, series, "throughput", "Throughput", key, Unit::PerSecond, table)
}

/// Returns the chart of failed requests, with a table of all counts of requests.
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
    let description = "The load generator reported no failed request.".into();
    Chart::without_drawing("failures", "Failed requests", description, table)
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
    let missing = missing_reasons(view, &[key]);
    if rows.is_empty() {
        return Chart::without_drawing(
            kind,
            title,
            format!("The record has no figures of it.{missing}"),
            table,
        );
    }
    let what = if unit == Unit::PerSecond {
        "Requests answered per second."
    } else {
        "Failed requests per run."
    };
    let description = format!("{what} Medians over the runs; lines span the quartiles.{missing}");
    let under = if unit == Unit::PerSecond { "requests per second" } else { "requests" };
    Chart::drawn(kind, title, description, &bars(&rows, unit, under), table)
}

/// Returns the chart of latencies: the percentiles of each arm on one line.
fn latency(view: View<'_>, series: &Series) -> Chart {
    let shown: Vec<_> = METRICS
        .iter()
        .filter(|m| {
            m.key.starts_with("latency") && arms(view).any(|a| a.metrics.contains_key(m.key))
        })
        .collect();
    let measured = arms_with_runs(view);
    let mut columns = vec![arm_column(&measured)];
    for m in &shown {
        columns.extend(metric_column(&measured, m.key));
        columns.push(ratio_column(&measured, m.key));
    }
    let table = Table::from_columns(columns);
    let (mut names, mut shapes, mut reach) = (Vec::new(), Vec::new(), Vec::new());
    for arm in arms(view) {
        let values: Vec<f64> =
            PERCENTILES.iter().filter_map(|key| Some(arm.metrics.get(*key)?.median)).collect();
        let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
        let (y, s) = (names.len() as f64 + 0.5, series.of_id(view, &arm.arm));
        shapes.push(Shape::Line(Class::Whisker(s), [(*first, y), (*last, y)]));
        shapes.extend(values.iter().map(|v| Shape::Mark(Class::Mark(s), *v, y)));
        reach.extend(values);
        names.push(arm.arm.clone());
    }
    let title = "Latency";
    if names.is_empty() {
        let description =
            "The load generator reported no percentiles (wrk needs --latency).".into();
        return Chart::without_drawing("latency", title, description, table);
    }
    let description = "Time to answer a request: p50, p90 and p99 from left to right, as far as the load generator reported them; medians over the runs. Left is better.";
    let plot = Plot {
        x: Axis::log(reach, &|v| round(v, Unit::Seconds)),
        y: VerticalAxis::Rows { names, each: 12 },
        x_label: "latency, p50 to p99".into(),
        shapes,
    };
    Chart::drawn("latency", title, description.into(), &plot, table)
}
