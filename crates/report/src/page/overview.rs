//! Many records at a glance: a row a record, in it each Python's best arm against that record's
//! baseline.

use super::chart::{Chart, Series, Table};
use super::ratios::{Ratios, drawn_of, forest};
use crate::table::verdict_word;
use crate::{Source, View};
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{self, Better, show};
use ungil_experiment::stats::Verdict;
use ungil_format::{counted, interval, ratio};

/// The chart over all records.
pub(super) fn chart(sources: &[Source], series: &Series) -> Chart {
    let heads = heads(sources);
    let mut table = Table::new([
        "workload",
        "baseline",
        "its figure",
        "arm",
        "figure",
        "ratio",
        "95 % interval",
        "verdict",
    ]);
    let mut rows = Vec::new();
    for source in sources {
        let view = source.view();
        for (_, arm) in best(view, &heads) {
            let key = view.comparison.headline.as_str();
            let (Some(figure), Some(m)) = (arm.metrics.get(key), metric::find(key)) else {
                continue;
            };
            let first =
                view.comparison.arm(&view.comparison.baseline).and_then(|b| b.metrics.get(key));
            let mut line = vec![source.title.clone(), view.comparison.baseline.clone()];
            line.push(first.map_or_else(|| "-".into(), |f| show(f.median, m.unit)));
            line.extend([arm.arm.clone(), show(figure.median, m.unit)]);
            let versus = figure.baseline.as_ref();
            let Some((v, r)) = versus.and_then(|v| Some((v, v.ratio?))) else {
                line.extend(["1", "", "baseline"].map(String::from));
                table.rows.push(line);
                continue;
            };
            line.extend([
                ratio(r.ratio),
                interval(r.low, r.high),
                verdict_word(v.verdict, m).into(),
            ]);
            table.rows.push(line);
            rows.push(Ratios {
                name: format!("{} {}", source.title, arm.arm),
                series: series.of_id(view, &arm.arm),
                ratio: r.ratio,
                low: r.low,
                high: r.high,
            });
        }
    }
    let says = format!(
        "For each record, the best arm of each Python against that record's baseline: the median ratio and its 95 % interval. For times, left of the line at 1 is better; for throughput, right of it.{}",
        drawn_of(rows.len())
    );
    match forest(rows, "× the record's baseline".into()) {
        Some(plot) => Chart::drawn("overview", "All records", says, &plot, table)
            .with_legend(series.legend(heads)),
        None => {
            let says = "No arm has been measured together with its record's baseline.".into();
            Chart::numbers("overview", "All records", says, table)
        }
    }
}

/// How often the best arm of a Python is better or worse than the baseline of its record.
#[derive(Debug, Default)]
struct Tally<'a> {
    head: &'a str,
    better: usize,
    worse: usize,
    same: usize,
    unsure: usize,
    /// Logarithms of its times over the baseline's.
    logs: Vec<f64>,
}

fn tallies(sources: &[Source]) -> Vec<Tally<'_>> {
    let heads = heads(sources);
    let mut all: Vec<Tally<'_>> =
        heads.iter().map(|head| Tally { head, ..Tally::default() }).collect();
    for source in sources {
        let view = source.view();
        let key = view.comparison.headline.as_str();
        let more = metric::find(key).is_some_and(|m| m.better == Better::More);
        for (place, arm) in best(view, &heads) {
            let versus = arm.metrics.get(key).and_then(|f| f.baseline.as_ref());
            let (Some(tally), Some(versus)) = (all.get_mut(place), versus) else { continue };
            match versus.verdict {
                Verdict::Same => tally.same += 1,
                Verdict::Inconclusive => tally.unsure += 1,
                v if (v == Verdict::More) == more => tally.better += 1,
                _ => tally.worse += 1,
            }
            tally
                .logs
                .extend(versus.ratio.map(|r| if more { -r.ratio.ln() } else { r.ratio.ln() }));
        }
    }
    all.retain(|tally| !tally.logs.is_empty());
    all
}

fn mean(logs: &[f64]) -> f64 {
    (logs.iter().sum::<f64>() / logs.len() as f64).exp()
}

/// The records' verdict in a few words: of the Pythons that are no record's baseline.
pub(super) fn verdict(sources: &[Source]) -> String {
    let baseline = |head: &str| {
        sources
            .iter()
            .any(|s| s.record.header.arms.first().is_some_and(|first| first.head() == head))
    };
    let all = tallies(sources);
    let others: Vec<&Tally<'_>> = all.iter().filter(|t| !baseline(t.head)).collect();
    let shown = if others.is_empty() { all.iter().collect() } else { others };
    let told: Vec<String> = shown.iter().take(2).map(|t| t.verdict()).collect();
    if told.is_empty() { "nothing to compare".into() } else { told.join("; ") }
}

impl Tally<'_> {
    fn verdict(&self) -> String {
        let counts = [
            (self.better, "faster"),
            (self.worse, "slower"),
            (self.same, "the same"),
            (self.unsure, "inconclusive"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{word} in {n}"))
            .collect();
        format!("{} against the baseline: {}", self.head, told.join(", "))
    }
}

/// What the records say together: for each Python, how often its best arm is better or worse than
/// the baseline.
pub(super) fn words(sources: &[Source]) -> Vec<String> {
    let said = tallies(sources).into_iter().map(|t| {
        format!(
            "{}, by its best arm in each record: faster than the baseline in {}, slower in {}, the same in {}, inconclusive in {}.",
            t.head, t.better, t.worse, t.same, t.unsure,
        )
    });
    said.collect()
}

/// The three figures of all records together: the geometric mean of each Python's best arms over
/// their baselines.
pub(super) fn figures(sources: &[Source]) -> Table {
    let heads = heads(sources);
    let mut table = Table::new(["geometric mean, × the baseline", "time", "memory", "energy"]);
    for tally in tallies(sources) {
        let of = |keys: &[&str]| {
            let ratio = |source: &Source| {
                let all = best(source.view(), &heads);
                let (_, arm) =
                    all.into_iter().find(|(place, _)| heads.get(*place) == Some(&tally.head))?;
                keys.iter().find_map(|key| {
                    Some(arm.metrics.get(*key)?.baseline.as_ref()?.ratio?.ratio.ln())
                })
            };
            let logs: Vec<f64> = sources.iter().filter_map(ratio).collect();
            if logs.is_empty() { "not measured".into() } else { shown(&logs) }
        };
        table.rows.push(vec![
            tally.head.into(),
            shown(&tally.logs),
            of(&["pss_peak_bytes", "rss_peak_bytes"]),
            of(&["energy_j"]),
        ]);
    }
    table
}

fn shown(logs: &[f64]) -> String {
    format!("{} ({})", ratio(mean(logs)), counted(logs.len(), "record"))
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

/// The arm with the best headline figure of each Python, with the place of that Python among
/// `heads`.
fn best<'a>(view: View<'a>, heads: &[&str]) -> Vec<(usize, &'a ArmFigures)> {
    let key = view.comparison.headline.as_str();
    let more = metric::find(key).is_some_and(|m| m.better == Better::More);
    let of = |head: &str| {
        let arms = view.record.header.arms.iter().filter(|a| a.head() == head && !a.again);
        let figures =
            arms.filter_map(|a| view.comparison.arm(&a.id)).filter(|a| a.failed.is_none());
        figures
            .filter_map(|a| Some((a, a.metrics.get(key)?.median)))
            .min_by(|a, b| if more { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) })
    };
    heads.iter().enumerate().filter_map(|(i, head)| Some((i, of(head)?.0))).collect()
}
