//! Scaling: what more workers bring, beside what they would bring were nothing lost.

use super::canvas::Class;
use super::chart::{Chart, Series, Table};
use super::plot::{Axis, Down, Item, Plot};
use super::ratios::tick;
use crate::View;
use std::collections::{BTreeMap, BTreeSet};
use ungil_experiment::arm::{Arm, Model};
use ungil_experiment::metric::{self, Better, show};
use ungil_experiment::record::Outcome;
use ungil_experiment::stats::{self, Ratio};
use ungil_format::{interval, ratio};

/// Blocks from which an efficiency is computed. The bootstrap of a million would take minutes and
/// say no more.
const MOST_BLOCKS: u32 = 2000;

/// A figure and its interval.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    const ONE: Estimate = Estimate { value: 1.0, low: 1.0, high: 1.0 };

    /// How many times as fast, from a ratio of the headline metric.
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

    /// The figure and its interval as cells of a table.
    fn cells(figure: Option<Estimate>) -> [String; 2] {
        match figure {
            Some(e) if e.low < e.high => [ratio(e.value), interval(e.low, e.high)],
            Some(e) => [ratio(e.value), String::new()],
            None => ["-".into(), String::new()],
        }
    }
}

/// One point of a curve.
#[derive(Debug, Clone)]
struct Point<'a> {
    arm: &'a Arm,
    workers: f64,
    /// Speed-up over the baseline with its interval; of the baseline itself 1.
    speed: Option<Estimate>,
    /// Share of its own speed with the fewest workers that each worker keeps.
    efficiency: Option<Estimate>,
}

/// What one Python does with one execution model and more and more workers.
#[derive(Debug, Clone)]
struct Curve<'a> {
    series: u8,
    head: &'a str,
    model: Option<Model>,
    points: Vec<Point<'a>>,
}

/// Speed-up and efficiency, for each execution model; nothing if no arms differ in workers alone.
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
    curves: &[&Curve<'_>],
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
    let curve = |pick: &dyn Fn(&Point<'_>) -> Option<Estimate>| {
        let (mut items, mut reach) = (Vec::new(), Vec::new());
        for Curve { series: s, points, .. } in curves {
            let all: Vec<_> = points.iter().filter_map(|p| Some((p.workers, pick(p)?))).collect();
            for pair in all.windows(2) {
                if let [a, b] = pair {
                    items.push(Item::Line(Class::Line(*s), [(a.0, a.1.value), (b.0, b.1.value)]));
                }
            }
            for (x, e) in all {
                items.push(Item::Line(Class::Whisker(*s), [(x, e.low), (x, e.high)]));
                items.push(Item::Mark(Class::Mark(*s), x, e.value));
                reach.extend([e.low, e.high]);
            }
        }
        (items, reach)
    };
    let baseline = &view.comparison.baseline;
    let (mut items, mut reach) = curve(&|p| p.speed);
    let speed = if items.is_empty() {
        let says =
            "No arm has been measured together with the baseline, so there is no speed-up to draw."
                .into();
        Chart::numbers("speed-up", &format!("Speed-up with more workers{with}"), says, speeds)
    } else {
        items.insert(0, Item::Line(Class::Ideal, [(few, few), (many, many)]));
        reach.extend([few, many]);
        let y = Axis::log(reach, &tick);
        let plot = Plot {
            x: Axis::log_at(&workers),
            down: Down::Scale(y),
            under: "workers".into(),
            items,
        };
        let says = format!(
            "How many times as fast as {baseline}, by number of workers, with 95 % intervals. The dashed line is a speed-up equal to the number of workers."
        );
        Chart::drawn("speed-up", &format!("Speed-up with more workers{with}"), says, &plot, speeds)
            .with_legend(legend.clone())
    };
    let (mut items, mut reach) = curve(&|p| p.efficiency);
    items.insert(0, Item::Line(Class::Ideal, [(few, 1.0), (many, 1.0)]));
    reach.push(1.0);
    let y = Axis::from_zero(reach, 10.0, &tick);
    let plot =
        Plot { x: Axis::log_at(&workers), down: Down::Scale(y), under: "workers".into(), items };
    let says = "The speed-up over the same arm with its fewest workers, divided by how many times as many there are: 1 is work shared without loss. It supposes that the whole work is the same whatever the number of workers.";
    let first = format!("{says} From the first {MOST_BLOCKS} blocks.");
    let says = if view.comparison.blocks > MOST_BLOCKS as usize { first.as_str() } else { says };
    let efficiency = Chart::drawn(
        "efficiency",
        &format!("Efficiency of each worker{with}"),
        says.into(),
        &plot,
        shares,
    );
    [speed, efficiency.with_legend(legend)]
}

/// Arms that differ in workers alone, at least two of them, each a point in their order.
fn curves<'a>(view: View<'a>, series: &Series) -> Vec<Curve<'a>> {
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
        curves.push(Curve { series, head, model, points });
    }
    curves
}

fn point<'a>(view: View<'a>, arm: &'a Arm, few: &Arm) -> Point<'a> {
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
    Point {
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

/// One arm's headline figure over another's, block by block.
fn paired(view: View<'_>, arm: &str, other: &str) -> Option<Ratio> {
    let of = |id: &str| -> BTreeMap<u32, f64> {
        let runs = view.record.runs.iter().filter(|r| r.arm == id && r.outcome == Outcome::Ok);
        let runs = runs.filter(|r| (1..=MOST_BLOCKS).contains(&r.block));
        runs.filter_map(|r| Some((r.block, r.metrics.get(&view.comparison.headline).copied()?)))
            .collect()
    };
    let (mine, theirs) = (of(arm), of(other));
    let pairs: Vec<(f64, f64)> =
        mine.iter().filter_map(|(b, v)| Some((*v, *theirs.get(b)?))).collect();
    stats::paired(&pairs, view.record.header.settings.seed)
}
