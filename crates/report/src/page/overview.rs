//! Overview of several records: each Python's best arm against the baseline of its record.

use super::chart::{Chart, Series, Table};
use super::ratios::{ForestRow, drawn_of, forest};
use crate::table::verdict_word;
use crate::{Source, View};
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{self, Better, show};
use ungil_experiment::stats::Verdict;
use ungil_format::{counted, interval, ratio};

/// Returns the chart of all records.
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
            rows.push(ForestRow {
                name: format!("{} {}", source.title, arm.arm),
                series: series.of_id(view, &arm.arm),
                ratio: r.ratio,
                low: r.low,
                high: r.high,
            });
        }
    }
    let description = format!(
        "The best arm of each Python against the baseline of the same record: median ratio and 95 % interval. Left of the line at 1 is better for times, right of it for throughput.{}",
        drawn_of(rows.len())
    );
    match forest(rows, "× the record's baseline".into()) {
        Some(plot) => Chart::drawn("overview", "All records", description, &plot, table)
            .with_legend(series.legend(heads)),
        None => {
            let description = "No arm was measured together with its baseline.".into();
            Chart::without_drawing("overview", "All records", description, table)
        }
    }
}

/// Number of records in which the best arm of a Python is better or worse than the baseline.
#[derive(Debug, Default)]
struct VerdictCounts<'a> {
    head: &'a str,
    better: usize,
    worse: usize,
    same: usize,
    inconclusive: usize,
    /// Logarithms of the arm's time over the baseline's.
    logs: Vec<f64>,
}

fn verdict_counts(sources: &[Source]) -> Vec<VerdictCounts<'_>> {
    let heads = heads(sources);
    let mut all: Vec<VerdictCounts<'_>> =
        heads.iter().map(|head| VerdictCounts { head, ..VerdictCounts::default() }).collect();
    for source in sources {
        let view = source.view();
        let key = view.comparison.headline.as_str();
        let more = metric::find(key).is_some_and(|m| m.better == Better::More);
        for (index, arm) in best(view, &heads) {
            let versus = arm.metrics.get(key).and_then(|f| f.baseline.as_ref());
            let (Some(counts), Some(versus)) = (all.get_mut(index), versus) else { continue };
            match versus.verdict {
                Verdict::Same => counts.same += 1,
                Verdict::Inconclusive => counts.inconclusive += 1,
                v if (v == Verdict::More) == more => counts.better += 1,
                _ => counts.worse += 1,
            }
            counts
                .logs
                .extend(versus.ratio.map(|r| if more { -r.ratio.ln() } else { r.ratio.ln() }));
        }
    }
    all.retain(|counts| !counts.logs.is_empty());
    all
}

fn mean(logs: &[f64]) -> f64 {
    (logs.iter().sum::<f64>() / logs.len() as f64).exp()
}

/// Returns the verdict over all records, for Pythons that are not a baseline.
pub(super) fn verdict(sources: &[Source]) -> String {
    let baseline = |head: &str| {
        sources
            .iter()
            .any(|s| s.record.header.arms.first().is_some_and(|first| first.head() == head))
    };
    let all = verdict_counts(sources);
    let others: Vec<&VerdictCounts<'_>> = all.iter().filter(|t| !baseline(t.head)).collect();
    let shown = if others.is_empty() { all.iter().collect() } else { others };
    let verdicts: Vec<String> = shown.iter().take(2).map(|t| t.verdict()).collect();
    if verdicts.is_empty() { "nothing to compare".into() } else { verdicts.join("; ") }
}

impl VerdictCounts<'_> {
    fn verdict(&self) -> String {
        let counts = [
            (self.better, "faster"),
            (self.worse, "slower"),
            (self.same, "the same"),
            (self.inconclusive, "inconclusive"),
        ];
        let parts: Vec<String> = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{word} in {n}"))
            .collect();
        format!("{} against the baseline: {}", self.head, parts.join(", "))
    }
}

/// States for each Python in how many records its best arm is better or worse than the baseline.
pub(super) fn sentences(sources: &[Source]) -> Vec<String> {
    let sentence = |t: VerdictCounts<'_>| {
        format!(
            "{}, best arm of each record: faster than the baseline in {}, slower in {}, the same in {}, inconclusive in {}.",
            t.head, t.better, t.worse, t.same, t.inconclusive,
        )
    };
    verdict_counts(sources).into_iter().map(sentence).collect()
}

/// Returns the geometric means over all records: time, memory and energy of each Python's best arm
/// against the baseline.
pub(super) fn figures(sources: &[Source]) -> Table {
    let heads = heads(sources);
    let mut table = Table::new(["geometric mean, × the baseline", "time", "memory", "energy"]);
    for counts in verdict_counts(sources) {
        let of = |keys: &[&str]| {
            let ratio = |source: &Source| {
                let all = best(source.view(), &heads);
                let (_, arm) =
                    all.into_iter().find(|(index, _)| heads.get(*index) == Some(&counts.head))?;
                keys.iter().find_map(|key| {
                    Some(arm.metrics.get(*key)?.baseline.as_ref()?.ratio?.ratio.ln())
                })
            };
            let logs: Vec<f64> = sources.iter().filter_map(ratio).collect();
            if logs.is_empty() { "not measured".into() } else { shown(&logs) }
        };
        table.rows.push(vec![
            counts.head.into(),
            shown(&counts.logs),
            of(&["pss_peak_bytes", "rss_peak_bytes"]),
            of(&["energy_j"]),
        ]);
    }
    table
}

fn shown(logs: &[f64]) -> String {
    format!("{} ({})", ratio(mean(logs)), counted(logs.len(), "record"))
}

/// Returns the Pythons and programs of all records.
fn heads(sources: &[Source]) -> Vec<&str> {
    let mut heads: Vec<&str> = Vec::new();
    for arm in sources.iter().flat_map(|s| &s.record.header.arms) {
        if !heads.contains(&arm.head()) {
            heads.push(arm.head());
        }
    }
    heads
}

/// Returns the arm with the best headline figure of each Python, with that Python's index in
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
