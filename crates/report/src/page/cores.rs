//! Core use: of each arm, and of each core during one run.

use super::canvas::Class;
use super::chart::{Chart, Series, Table, round};
use super::costs::cell;
use super::plot::{Axis, Plot, Shape, VerticalAxis};
use crate::View;
use ungil_experiment::metric::Unit;
use ungil_experiment::record::{CoreUse, Outcome, Run};
use ungil_format as format;

/// Maximum number of cores that are drawn and listed.
const MAX_CORES: usize = 64;

/// Returns the run of an arm whose headline figure is closest to the median.
fn typical<'a>(view: View<'a>, arm: &str) -> Option<&'a Run> {
    let key = view.comparison.headline.as_str();
    let median = view.comparison.arm(arm)?.metrics.get(key)?.median;
    let far = |r: &&Run| r.metrics.get(key).map_or(f64::INFINITY, |v| (v - median).abs());
    let runs =
        view.record.runs.iter().filter(|r| r.arm == arm && r.block > 0 && r.outcome == Outcome::Ok);
    runs.min_by(|a, b| far(a).total_cmp(&far(b)))
}

/// Returns charts of the baseline and of the arm that used most cores, with a table of all arms.
pub(super) fn charts(view: View<'_>, series: &Series) -> Vec<Chart> {
    let used = |arm: &str| {
        view.comparison.arm(arm).and_then(|a| a.metrics.get("busy_cores")).map_or(0.0, |f| f.median)
    };
    let arms = view.comparison.arms.iter().filter(|a| a.runs > 0).map(|a| a.arm.as_str());
    let widest = arms.max_by(|a, b| used(a).total_cmp(&used(b)));
    let mut shown = vec![view.comparison.baseline.as_str()];
    shown.extend(widest.filter(|w| *w != view.comparison.baseline));
    let runs = shown.into_iter().filter_map(|arm| typical(view, arm));
    let mut charts: Vec<Chart> = runs
        .filter_map(|run| Some(over_time(run, run.cores.as_ref()?, series.of_id(view, &run.arm))))
        .collect();
    match charts.first_mut() {
        Some(first) => first.table = table(view),
        None => charts.push(Chart::without_drawing(
            "cores",
            "Cores",
            "The record has no core use over time: its runs were shorter than 0.1 s, or it was written by an older ungil.".into(),
            table(view),
        )),
    }
    charts
}

/// Draws each core as a band whose height is how busy the core was.
fn over_time(run: &Run, cores: &CoreUse, series: u8) -> Chart {
    let count = cores.busy.iter().map(Vec::len).max().unwrap_or(0).min(MAX_CORES);
    // The record is untrusted: the interval must be positive, and shares are clamped.
    let every = if cores.every_s.is_finite() && cores.every_s > 0.0 { cores.every_s } else { 0.1 };
    let points = cores.busy.get(..cores.busy.len().min(400)).unwrap_or_default();
    let end = points.len() as f64 * every;
    let mut shapes = Vec::new();
    for core in 0..count {
        let floor = core as f64 + 0.95;
        let mut corners = vec![(0.0, floor)];
        for (i, point) in points.iter().enumerate() {
            let height = floor - 0.9 * point.get(core).copied().unwrap_or(0.0).clamp(0.0, 1.0);
            corners.extend([(i as f64 * every, height), ((i + 1) as f64 * every, height)]);
        }
        corners.push((end, floor));
        shapes.push(Shape::Area(Class::Area(series), corners));
    }
    let phase = run.metrics.get("startup_s").zip(run.metrics.get("wall_s")).filter(|_| run.marked);
    if let Some((begin, length)) = phase {
        let moments = [*begin, begin + length].into_iter().filter(|t| (0.0..=end).contains(t));
        shapes.extend(moments.map(|t| Shape::Line(Class::Rule, [(t, 0.0), (t, count as f64)])));
    }
    let names = (0..count).map(|core| format!("core {core}")).collect();
    let each = (200 / count.max(1) as u32).clamp(10, 40);
    let plot = Plot {
        x: Axis::from_zero([end / 1.03], 10.0, &|v| round(v, Unit::Seconds)),
        y: VerticalAxis::Rows { names, each },
        x_label: "time since the start of the process".into(),
        shapes,
    };
    let mut description = format!(
        "How busy each core was in block {}, with all programs of the machine: a full band is a fully used core. The resolution is {}.",
        run.block,
        round(every, Unit::Seconds)
    );
    if phase.is_some() {
        description.push_str(" The lines mark the beginning and the end of the measured phase.");
    }
    if cores.busy.iter().any(|p| p.len() > MAX_CORES) {
        description.push_str(&format!(" Only the first {MAX_CORES} cores are drawn."));
    }
    Chart::drawn(
        "cores",
        &format!("Cores over time: {}", run.arm),
        description,
        &plot,
        Table::default(),
    )
}

/// Returns a table of the machine's cores while each arm ran.
fn table(view: View<'_>) -> Table {
    let mut table = Table::new([
        "arm",
        "cores used",
        "disparity of the machine's cores",
        "use of each core (all programs)",
    ]);
    for arm in view.comparison.arms.iter().filter(|a| a.runs > 0) {
        let around = typical(view, &arm.arm).and_then(|r| r.machine.as_ref());
        let each = around.map_or_else(
            || "-".into(),
            |a| {
                let shares = a.per_core.iter().take(MAX_CORES).map(|s| format::percent(*s));
                let mut text = shares.collect::<Vec<_>>().join(" ");
                if a.per_core.len() > MAX_CORES {
                    text.push_str(&format!(" … ({} cores)", a.per_core.len()));
                }
                text
            },
        );
        table.rows.push(vec![
            arm.arm.clone(),
            cell(arm, "busy_cores"),
            cell(arm, "core_disparity"),
            each,
        ]);
    }
    table
}
