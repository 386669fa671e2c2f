//! Scaling: speed-up and efficiency with more workers, against the ideal.

use super::canvas::Class;
use super::chart::{Chart, Series, Table};
use super::plot::{Axis, Plot, Shape, VerticalAxis};
use super::ratios::tick;
use crate::View;
use std::collections::{BTreeMap, BTreeSet};
use ungil_experiment::arm::{Arm, Model};
use ungil_experiment::metric::{self, Better, show};
use ungil_experiment::record::Outcome;
use ungil_experiment::stats::{self, Ratio};
use ungil_format::{interval, ratio};

/// Maximum number of blocks from which an efficiency is computed; more would only make the
/// bootstrap slower.
const MAX_BLOCKS: u32 = 2000;

/// A figure and its interval.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    const ONE: Estimate = Estimate { value: 1.0, low: 1.0, high: 1.0 };

    /// Returns the speed-up for a ratio of the headline metric.
    fn speed(ratio: Ratio, more_is_better: bool) -> Estimate {
        if more_is_better {
            Estimate { value: ratio.ratio, low: ratio.low, high: ratio.high }
        } else {
            Estimate { value: 1.0 / ratio.ratio, low: 1.0 / ratio.high, high: 1.0 / ratio.low }
        }
    }

    fn over(self, n: f64) -> Estimate {
        Estimate { value: self.value / n, low: self.low / n, high: self.high / n }
    }

    /// Formats the figure and its interval as cells.
    fn cells(figure: Option<Estimate>) -> [String; 2] {
        match figure {
            Some(e) if e.low < e.high => [ratio(e.value), interval(e.low, e.high)],
            Some(e) => [ratio(e.value), String::new()],
            None => ["-".into(), String::new()],
        }
    }
}

/// A point of a curve.
#[derive(Debug, Clone)]
struct ScalingPoint<'a> {
    arm: &'a Arm,
    workers: f64,
    /// Speed-up over the baseline; 1 for the baseline itself.
    speed: Option<Estimate>,
    /// Speed-up over the same arm with the fewest workers, divided by the ratio of workers.
    efficiency: Option<Estimate>,
}

/// One Python and execution model, with increasing numbers of workers.
#[derive(Debug, Clone)]
struct ScalingCurve<'a> {
    series: u8,
    head: &'a str,
    model: Option<Model>,
    points: Vec<ScalingPoint<'a>>,
}

/// Returns charts of speed-up and efficiency for each execution model, if there are arms that
/// differ only in workers.
pub(super) fn charts(view: View<'_>, series: &Series) -> Vec<Chart> {
    let all = curves(view, series);
    let models: BTreeSet<Option<Model>> = all.iter().map(|c| c.model).collect();
    let of = |model| all.iter().filter(|c| c.model == model).collect::<Vec<_>>();
    models.into_iter().flat_map(|model| of_model(view, series, model, &of(model))).collect()
}

fn of_model(
    view: View<'_>,
    series: &Series,
    model: Option<Model>,
    curves: &[&ScalingCurve<'_>],
) -> [Chart; 2] {
    let points = || curves.iter().flat_map(|c| &c.points);
    let legend = series.legend(curves.iter().map(|c| c.head));
    let with = model.map_or_else(String::new, |m| format!(": {m}"));
    let headline = metric::find(&view.comparison.headline);
    let title = headline.map_or("headline", |m| m.title);
    let mut speeds = Table::new(["arm", "workers", title, "speed-up", "95 % interval"]);
    let mut shares = Table::new(["arm", "workers", "efficiency", "95 % interval"]);
    for point in points() {
        let median = view
            .comparison
            .arm(&point.arm.id)
            .and_then(|a| a.metrics.get(&view.comparison.headline));
        let head = [point.arm.id.clone(), point.workers.to_string()];
        let median =
            median.zip(headline).map_or_else(|| "-".into(), |(f, m)| show(f.median, m.unit));
        speeds.rows.push([&head[..], &[median], &Estimate::cells(point.speed)].concat());
        shares.rows.push([&head[..], &Estimate::cells(point.efficiency)].concat());
    }
    let mut workers: Vec<f64> = points().map(|p| p.workers).collect();
    workers.sort_by(f64::total_cmp);
    workers.dedup();
    let (few, many) =
        (workers.first().copied().unwrap_or(1.0), workers.last().copied().unwrap_or(1.0));
    let curve = |pick: &dyn Fn(&ScalingPoint<'_>) -> Option<Estimate>| {
        let (mut shapes, mut reach) = (Vec::new(), Vec::new());
        for ScalingCurve { series: s, points, .. } in curves {
            let all: Vec<_> = points.iter().filter_map(|p| Some((p.workers, pick(p)?))).collect();
            for pair in all.windows(2) {
                if let [a, b] = pair {
                    shapes.push(Shape::Line(Class::Line(*s), [(a.0, a.1.value), (b.0, b.1.value)]));
                }
            }
            for (x, e) in all {
                shapes.push(Shape::Line(Class::Whisker(*s), [(x, e.low), (x, e.high)]));
                shapes.push(Shape::Mark(Class::Mark(*s), x, e.value));
                reach.extend([e.low, e.high]);
            }
        }
        (shapes, reach)
    };
    let baseline = &view.comparison.baseline;
    let (mut shapes, mut reach) = curve(&|p| p.speed);
    let speed = if shapes.is_empty() {
        let description =
            "No arm was measured together with the baseline, so there is no speed-up to draw."
                .into();
        Chart::without_drawing(
            "speed-up",
            &format!("Speed-up with more workers{with}"),
            description,
            speeds,
        )
    } else {
        shapes.insert(0, Shape::Line(Class::Ideal, [(few, few), (many, many)]));
        reach.extend([few, many]);
        let y = Axis::log(reach, &tick);
        let plot = Plot {
            x: Axis::log_at(&workers),
            y: VerticalAxis::Scale(y),
            x_label: "workers".into(),
            shapes,
        };
        let description = format!(
            "Speed-up over {baseline} by number of workers, with 95 % intervals. On the dashed line, the speed-up equals the number of workers."
        );
        Chart::drawn(
            "speed-up",
            &format!("Speed-up with more workers{with}"),
            description,
            &plot,
            speeds,
        )
        .with_legend(legend.clone())
    };
    let (mut shapes, mut reach) = curve(&|p| p.efficiency);
    shapes.insert(0, Shape::Line(Class::Ideal, [(few, 1.0), (many, 1.0)]));
    reach.push(1.0);
    let y = Axis::from_zero(reach, 10.0, &tick);
    let plot = Plot {
        x: Axis::log_at(&workers),
        y: VerticalAxis::Scale(y),
        x_label: "workers".into(),
        shapes,
    };
    let description = "Speed-up over the same arm with the fewest workers, divided by the ratio of workers: 1 is perfect scaling. This assumes that the total work does not depend on the number of workers.";
    let first = format!("{description} Computed from the first {MAX_BLOCKS} blocks.");
    let description =
        if view.comparison.blocks > MAX_BLOCKS as usize { first.as_str() } else { description };
    let efficiency = Chart::drawn(
        "efficiency",
        &format!("Efficiency of each worker{with}"),
        description.into(),
        &plot,
        shares,
    );
    [speed, efficiency.with_legend(legend)]
}

/// Returns the curves of at least two arms that differ only in workers.
fn curves<'a>(view: View<'a>, series: &Series) -> Vec<ScalingCurve<'a>> {
    let mut alike: BTreeMap<(u8, &str, Option<Model>), Vec<&Arm>> = BTreeMap::new();
    let arms = view.record.header.arms.iter().filter(|a| !a.again && a.workers.is_some());
    for arm in arms
        .filter(|a| view.comparison.arm(&a.id).is_some_and(|f| f.failed.is_none() && f.runs > 0))
    {
        alike.entry((series.at(arm), arm.head(), arm.model())).or_default().push(arm);
    }
    let mut curves = Vec::new();
    for ((series, head, model), mut arms) in alike {
        arms.sort_by_key(|a| a.workers);
        arms.dedup_by_key(|a| a.workers);
        let (Some(few), true) = (arms.first().copied(), arms.len() > 1) else { continue };
        let points = arms.iter().map(|arm| point(view, arm, few)).collect();
        curves.push(ScalingCurve { series, head, model, points });
    }
    curves
}

fn point<'a>(view: View<'a>, arm: &'a Arm, few: &Arm) -> ScalingPoint<'a> {
    let key = view.comparison.headline.as_str();
    let more = metric::find(key).is_some_and(|m| m.better == Better::More);
    let speed = |r: Ratio| Estimate::speed(r, more);
    let figure = view.comparison.arm(&arm.id).and_then(|a| a.metrics.get(key));
    let workers = f64::from(arm.workers.unwrap_or(1).max(1));
    let share = workers / f64::from(few.workers.unwrap_or(1).max(1));
    let own = if arm.id == few.id {
        Some(Estimate::ONE)
    } else {
        paired(view, &arm.id, &few.id).map(speed)
    };
    let first = arm.id == view.comparison.baseline;
    ScalingPoint {
        arm,
        workers,
        speed: if first {
            Some(Estimate::ONE)
        } else {
            figure.and_then(|f| f.baseline.as_ref()?.ratio).map(speed)
        },
        efficiency: own.map(|e| e.over(share)),
    }
}

/// Returns the ratio of two arms' headline figures, block by block.
fn paired(view: View<'_>, arm: &str, other: &str) -> Option<Ratio> {
    let of = |id: &str| -> BTreeMap<u32, f64> {
        let runs = view.record.runs.iter().filter(|r| r.arm == id && r.outcome == Outcome::Ok);
        let runs = runs.filter(|r| (1..=MAX_BLOCKS).contains(&r.block));
        runs.filter_map(|r| Some((r.block, r.metrics.get(&view.comparison.headline).copied()?)))
            .collect()
    };
    let (mine, theirs) = (of(arm), of(other));
    let pairs: Vec<(f64, f64)> =
        mine.iter().filter_map(|(b, v)| Some((*v, *theirs.get(b)?))).collect();
    stats::paired(&pairs, view.record.header.settings.seed)
}
