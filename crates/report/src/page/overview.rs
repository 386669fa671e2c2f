//! Many records at a glance: a row a record, in it each Python's best arm against that record's baseline.

use super::canvas::{Class, SERIES};
use super::chart::{Chart, Table, height};
use super::plot::{Axis, Item, Plot};
use super::ratios::{span, tick, times};
use crate::table::verdict_word;
use crate::{Source, View};
use ungil_experiment::compare::ArmFigures;
use ungil_experiment::metric::{self, Better, show};
use ungil_experiment::stats::Verdict;

/// Rows that are drawn; a taller chart could not be taken in.
const MOST: usize = 200;

/// The chart over all records.
pub(super) fn chart(sources: &[Source]) -> Chart {
    let heads = heads(sources);
    let mut table = Table::new([
        "record",
        "baseline",
        "its figure",
        "arm",
        "figure",
        "ratio",
        "95 % interval",
        "verdict",
    ]);
    let (mut names, mut items, mut reach) = (Vec::new(), Vec::new(), vec![1.0]);
    for source in sources {
        let view = source.view();
        let row = names.len() as f64;
        let all = best(view, &heads);
        for (i, (head, arm)) in all.iter().enumerate() {
            let key = view.comparison.headline.as_str();
            let (Some(figure), Some(m)) = (arm.metrics.get(key), metric::find(key)) else { continue };
            let first = view.comparison.arm(&view.comparison.baseline).and_then(|b| b.metrics.get(key));
            let mut line = vec![source.label.clone(), view.comparison.baseline.clone()];
            line.push(first.map_or_else(|| "-".into(), |f| show(f.median, m.unit)));
            line.extend([arm.arm.clone(), show(figure.median, m.unit)]);
            let versus = figure.baseline.as_ref();
            let Some((v, r)) = versus.and_then(|v| Some((v, v.ratio?))) else {
                line.extend(["1", "", "baseline"].map(String::from));
                table.rows.push(line);
                continue;
            };
            line.extend([times(r.ratio), span(r.low, r.high), verdict_word(v.verdict, m).into()]);
            table.rows.push(line);
            if names.len() < MOST {
                let y = row + (i as f64 + 1.0) / (all.len() as f64 + 1.0);
                let series = u8::try_from(head % usize::from(SERIES)).unwrap_or(0);
                items.push(Item::Line(Class::Whisker(series), [(r.low, y), (r.high, y)]));
                items.push(Item::Mark(Class::Mark(series), r.ratio, y));
                reach.extend([r.low, r.high]);
            }
        }
        if names.len() < MOST {
            names.push(source.label.clone());
        }
    }
    let rows = names.len() as f64;
    items.insert(0, Item::Line(Class::Rule, [(1.0, 0.0), (1.0, rows)]));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut says = "For each record, the best arm of each Python against that record's baseline: the median ratio and its 95 % interval. For times, left of the line at 1 is better.".to_string();
    if sources.len() > MOST {
        says.push_str(&format!(
            " The first {MOST} of {} records are drawn; the table has all.",
            sources.len()
        ));
    }
    let plot = Plot {
        height: height(names.len(), 22),
        x: Axis::log(reach, &tick),
        y: Axis::names(&names),
        under: "× the record's baseline".into(),
        items,
    };
    let legend = (0..SERIES).cycle().zip(heads.iter().map(|h| (*h).to_string()));
    Chart::drawn("overview", "All records", says, &plot, table).with_legend(legend.collect())
}

/// What the records say together: for each Python, how often its best arm is better or worse than the baseline.
pub(super) fn words(sources: &[Source]) -> Vec<String> {
    let heads = heads(sources);
    let mut said = Vec::new();
    for (i, head) in heads.iter().enumerate() {
        let (mut better, mut worse, mut same, mut unsure, mut logs) = (0, 0, 0, 0, Vec::new());
        for source in sources {
            let view = source.view();
            let key = view.comparison.headline.as_str();
            let more = metric::find(key).is_some_and(|m| m.better == Better::More);
            let mine = best(view, &heads).into_iter().find(|(place, _)| *place == i);
            let Some(versus) = mine.and_then(|(_, arm)| arm.metrics.get(key)?.baseline.as_ref()) else {
                continue;
            };
            match versus.verdict {
                Verdict::Same => same += 1,
                Verdict::CannotTell => unsure += 1,
                v if (v == Verdict::More) == more => better += 1,
                _ => worse += 1,
            }
            logs.extend(versus.ratio.map(|r| if more { -r.ratio.ln() } else { r.ratio.ln() }));
        }
        if logs.is_empty() {
            continue;
        }
        let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        said.push(format!(
            "{head}, by its best arm in each record: faster than the baseline in {better}, slower in {worse}, the same in {same}, not told apart in {unsure}. Geometric mean of its times over the baseline's: {} ({} records).",
            times(mean),
            logs.len()
        ));
    }
    said
}

/// The Pythons and programs of all records.
fn heads(sources: &[Source]) -> Vec<&str> {
    let mut heads: Vec<&str> = Vec::new();
    for arm in sources.iter().flat_map(|s| &s.record.header.arms) {
        if !heads.contains(&arm.head()) {
            heads.push(arm.head());
        }
    }
    heads
}

/// The arm with the best headline figure of each Python, with the place of that Python among `heads`.
fn best<'a>(view: View<'a>, heads: &[&str]) -> Vec<(usize, &'a ArmFigures)> {
    let key = view.comparison.headline.as_str();
    let more = metric::find(key).is_some_and(|m| m.better == Better::More);
    let of = |head: &str| {
        let arms = view.record.header.arms.iter().filter(|a| a.head() == head && !a.again);
        let figures = arms.filter_map(|a| view.comparison.arm(&a.id)).filter(|a| a.failed.is_none());
        figures
            .filter_map(|a| Some((a, a.metrics.get(key)?.median)))
            .min_by(|a, b| if more { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) })
    };
    heads.iter().enumerate().filter_map(|(i, head)| Some((i, of(head)?.0))).collect()
}
