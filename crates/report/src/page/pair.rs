//! Comparison of two records, such as before and after a change, or of two machines: what differs
//! between them, and how much each arm changed.
//!
//! An arm has two figures: its change (the second record's value over the first's), and the change
//! of its ratio with the baseline. The latter cancels what affects both arms of a record alike,
//! such as another machine.

use super::changes::{ChangeChart, ChangeRow};
use super::chart::{Chart, Series, Table};
use super::ratios::capital;
use super::{facts, service};
use crate::table::verdict_word;
use crate::{Source, View, joules};
use std::collections::{BTreeMap, BTreeSet};
use ungil_experiment::arm::{Arm, Runs};
use ungil_experiment::comparison::Figure;
use ungil_experiment::metric::{self, METRICS, show};
use ungil_experiment::record::{Outcome, Run};
use ungil_experiment::stats::{Ratio, Verdict, unpaired};
use ungil_format::{counted, interval, ratio};

/// Maximum number of values per arm from which a change is computed; more would only make the
/// bootstrap slower.
const MAX_VALUES: usize = 2000;

/// Metrics in the table of further figures.
const FIGURES: [&str; 6] =
    ["cpu_s", "busy_cores", "pss_peak_bytes", "lock_wait_s", "gil_wait_s", "energy_j"];

/// Two records of the same workload.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordPair<'a> {
    pub(super) old: &'a Source,
    pub(super) new: &'a Source,
}

/// Pairs two single records with each other, and the records of two folders by file name. Also
/// returns a note about records without a partner.
pub(super) fn pairs<'a>(
    old: &'a [Source],
    new: &'a [Source],
) -> (Vec<RecordPair<'a>>, Vec<String>) {
    if let ([old], [new]) = (old, new) {
        return (vec![RecordPair { old, new }], Vec::new());
    }
    let by_name: BTreeMap<String, &Source> = new.iter().map(|s| (s.name(), s)).collect();
    let (mut found, mut alone) = (Vec::new(), Vec::new());
    for source in old {
        match by_name.get(&source.name()) {
            Some(new) => found.push(RecordPair { old: source, new }),
            None => alone.push(source.path.display().to_string()),
        }
    }
    let known: BTreeSet<String> = old.iter().map(Source::name).collect();
    alone.extend(
        new.iter().filter(|s| !known.contains(&s.name())).map(|s| s.path.display().to_string()),
    );
    let note = (!alone.is_empty())
        .then(|| format!("Not compared, because only one side has them: {}.", alone.join(", ")));
    (found, note.into_iter().collect())
}

/// Pairs the arms of two records: by id, or else by kind (GIL, model, workers) if both records have
/// only one arm of that kind.
fn arms<'a>(pair: RecordPair<'a>) -> Vec<(&'a Arm, &'a Arm)> {
    let [old, new] = [pair.old, pair.new].map(|s| &s.record.header.arms);
    let kind = |a: &Arm| {
        let python = match &a.runs {
            Runs::Python { interpreter, gil, .. } => Some((interpreter.free_threaded, *gil)),
            Runs::Also { .. } => None,
        };
        (python, python.is_none().then(|| a.head().to_string()), a.model(), a.workers)
    };
    let real = |arms: &'a [Arm]| arms.iter().filter(|a| !a.again);
    let only = |arms: &'a [Arm], wanted: &Arm| {
        let mut alike = real(arms).filter(|a| kind(a) == kind(wanted));
        alike.next().filter(|_| alike.next().is_none())
    };
    real(old)
        .filter_map(|a| {
            let same = real(new).find(|b| b.id == a.id);
            Some((a, same.or_else(|| only(old, a).and_then(|_| only(new, a)))?))
        })
        .collect()
}

/// Returns the runs of an arm that count.
fn runs<'a>(source: &'a Source, arm: &'a str) -> impl Iterator<Item = &'a Run> {
    let counts = move |r: &&Run| r.arm == arm && r.block > 0 && r.outcome == Outcome::Ok;
    source.record.runs.iter().filter(counts).take(MAX_VALUES)
}

/// Returns an arm's value in the new record over that in the old one.
fn change(pair: RecordPair<'_>, old: &str, new: &str, key: &str) -> Option<Ratio> {
    let values = |source: &Source, arm: &str| -> Vec<f64> {
        runs(source, arm).filter_map(|r| r.metrics.get(key).copied()).collect()
    };
    // A service that fails some of its requests does less work.
    let failing = |source: &Source, arm: &str| {
        source
            .comparison
            .arm(arm)
            .and_then(|a| a.requests)
            .is_some_and(|r| r.too_many(arm).is_some())
    };
    if failing(pair.new, new) || failing(pair.old, old) {
        return None;
    }
    unpaired(&values(pair.new, new), &values(pair.old, old), pair.old.record.header.settings.seed)
}

/// Returns an arm's ratio with its baseline in the new record over that in the old one, with ratios
/// taken block by block.
fn shift(pair: RecordPair<'_>, old: &str, new: &str, key: &str) -> Option<Ratio> {
    let ratios = |source: &Source, arm: &str| -> Vec<f64> {
        let of = |arm: &str| -> BTreeMap<u32, f64> {
            runs(source, arm)
                .filter_map(|r| Some((r.block, r.metrics.get(key).copied()?)))
                .collect()
        };
        let base = of(&source.comparison.baseline);
        of(arm).iter().filter_map(|(block, v)| Some(v / base.get(block)?)).collect()
    };
    let first = old == pair.old.comparison.baseline && new == pair.new.comparison.baseline;
    if first {
        return None;
    }
    unpaired(&ratios(pair.new, new), &ratios(pair.old, old), pair.old.record.header.settings.seed)
}

/// Returns one name for the ids of two arms.
fn label(old: &Arm, new: &Arm) -> String {
    if old.id == new.id { old.id.clone() } else { format!("{} → {}", old.id, new.id) }
}

/// Returns the name of a pair: its workload, with the records' name if another pair has the same
/// workload.
fn name(pairs: &[RecordPair<'_>], pair: RecordPair<'_>) -> String {
    let workload = |pair: &RecordPair<'_>| facts::name(&pair.new.record.header.workload);
    let mine = workload(&pair);
    match pairs.iter().filter(|other| workload(other) == mine).count() {
        0 | 1 => mine,
        _ => format!("{mine} ({})", pair.new.name()),
    }
}

/// States which arms changed, according to their intervals.
pub(super) fn sentences(pairs: &[RecordPair<'_>]) -> Vec<String> {
    let (mut changed, mut same, mut inconclusive) = (Vec::new(), 0, 0);
    for pair in pairs {
        let key = pair.new.comparison.headline.as_str();
        let Some(m) = metric::find(key).filter(|_| pair.old.comparison.headline == key) else {
            continue;
        };
        for (old, new) in arms(*pair) {
            let Some(r) = change(*pair, &old.id, &new.id, key) else { continue };
            match r.verdict(m.margin) {
                Verdict::Same => same += 1,
                Verdict::Inconclusive => inconclusive += 1,
                v => changed.push((
                    r,
                    format!("{} is {}", label(old, new), verdict_word(v, m)),
                    name(pairs, *pair),
                )),
            }
        }
    }
    changed.sort_by(|a, b| b.0.ratio.ln().abs().total_cmp(&a.0.ratio.ln().abs()));
    let mut sentences: Vec<String> = changed
        .iter()
        .take(6)
        .map(|(r, what, record)| {
            let of = if pairs.len() > 1 { format!("{record}: ") } else { String::new() };
            format!(
                "{of}{what} in the second, × {} (95 % interval {}).",
                ratio(r.ratio),
                interval(r.low, r.high)
            )
        })
        .collect();
    if changed.len() > 6 {
        sentences.push(format!("{} more changed by less.", counted(changed.len() - 6, "arm")));
    }
    sentences.push(match (changed.len(), same, inconclusive) {
        (0, 0, 0) => "No arm was measured in both.".into(),
        (n, same, inconclusive) => format!(
            "{} in both: {n} changed, {same} same, {inconclusive} inconclusive.",
            counted(n + same + inconclusive, "arm")
        ),
    });
    sentences
}

/// Returns the charts of all changes: of the headline figure, and of its ratio with the baseline.
pub(super) fn charts(pairs: &[RecordPair<'_>], series: &Series) -> Vec<Chart> {
    let several = pairs.len() > 1;
    let title =
        |view: View<'_>| metric::find(&view.comparison.headline).map_or("headline", |m| m.title);
    let figure = pairs.first().map_or("headline", |pair| title(pair.new.view()));
    let mut head = vec!["arm", "first", "second", "second ÷ first", "95 % interval", "verdict"];
    if several {
        head.insert(0, "workload");
    }
    let (mut changes, mut shifts) = (ChangeChart::new(&head), ChangeChart::new(&head));
    for pair in pairs {
        let key = pair.new.comparison.headline.as_str();
        let Some(m) = metric::find(key).filter(|_| pair.old.comparison.headline == key) else {
            continue;
        };
        for (old, new) in arms(*pair) {
            let [a, b] = [(pair.old, old), (pair.new, new)]
                .map(|(s, arm)| s.comparison.arm(&arm.id).and_then(|f| f.metrics.get(key)));
            let (Some(a), Some(b)) = (a, b) else { continue };
            let name = several.then(|| name(pairs, *pair));
            let of = |f: &Figure| {
                f.baseline
                    .as_ref()
                    .and_then(|v| v.ratio)
                    .map_or_else(|| "1".into(), |r| ratio(r.ratio))
            };
            let cells = [show(a.median, m.unit), show(b.median, m.unit)];
            let row =
                ChangeRow { name: name.as_deref(), arm: label(old, new), series: series.at(old) };
            changes.add(&row, cells, change(*pair, &old.id, &new.id, key), m);
            if let Some(ratio) = shift(*pair, &old.id, &new.id, key) {
                shifts.add(&row, [of(a), of(b)], Some(ratio), m);
            }
        }
    }
    vec![
        changes.chart(
            "change",
            &format!("{} of the second against the first", capital(figure)),
            "Each arm's median in the second record over that in the first, with 95 % interval. The records were not measured in alternation, so the interval covers variation between runs, but no other change between the records.",
        ),
        shifts.chart(
            "shift",
            "ForestRow with the baseline, second against first",
            "Change of each arm's ratio with the baseline of its own record: above 1, it got slower relative to the baseline. What slows both arms of a record alike cancels out.",
        ),
    ]
}

/// Returns the key figures of each arm in both records: headline metric, memory, energy.
pub(super) fn key_figures(pair: RecordPair<'_>) -> Table {
    let headline = pair.new.comparison.headline.as_str();
    let memory = ["pss_peak_bytes", "rss_peak_bytes"].into_iter().find(|key| {
        arms(pair).iter().any(|(_, new)| {
            pair.new.comparison.arm(&new.id).is_some_and(|a| a.metrics.contains_key(*key))
        })
    });
    let keys = [headline, memory.unwrap_or("pss_peak_bytes"), "energy_j"];
    let mut table = Table::new(["arm"]);
    table.head.extend(keys.map(|key| metric::find(key).map_or(key, |m| m.title).to_string()));
    for (old, new) in arms(pair) {
        let cell = |key: &str| {
            let unit = metric::find(key)?.unit;
            let a = pair.old.comparison.arm(&old.id)?.metrics.get(key)?;
            let b = pair.new.comparison.arm(&new.id)?.metrics.get(key)?;
            let by = change(pair, &old.id, &new.id, key)
                .map_or_else(String::new, |r| format!(" (× {})", ratio(r.ratio)));
            Some(format!("{} → {}{by}", show(a.median, unit), show(b.median, unit)))
        };
        let mut row = vec![label(old, new)];
        row.extend(keys.map(|key| cell(key).unwrap_or_else(|| "not measured".into())));
        table.rows.push(row);
    }
    table
}

/// Returns the doubts of both records.
pub(super) fn doubts(pair: RecordPair<'_>) -> Vec<String> {
    let of = |source: &Source, which: &str| -> Vec<String> {
        super::doubts(source.view()).iter().map(|line| format!("{which}: {line}")).collect()
    };
    [of(pair.old, "first"), of(pair.new, "second")].concat()
}

/// Returns what differs between two records besides their figures.
pub(super) fn differences(pair: RecordPair<'_>) -> Table {
    let facts = |s: &Source| -> Vec<(String, String)> {
        let view = s.view();
        let header = &s.record.header;
        let mut all = vec![
            ("command".to_string(), facts::command(&header.workload)),
            ("ungil".into(), header.ungil.clone()),
        ];
        all.extend(
            facts::pythons(view)
                .rows
                .into_iter()
                .map(|r| (format!("python {}", r[0]), r[1..].join(", "))),
        );
        all.extend(facts::machine(view));
        let class = joules::sensor(view).map_or("no sensor", |s| joules::class(s.evidence));
        all.push(("energy".into(), class.into()));
        let arms: Vec<&str> = header.arms.iter().map(|a| a.id.as_str()).collect();
        all.push(("arms".into(), arms.join(" ")));
        all.push(("blocks".into(), s.comparison.blocks.to_string()));
        all
    };
    let (old, new) = (facts(pair.old), facts(pair.new));
    let mut table = Table::new(["", "first", "second"]);
    let value = |facts: &[(String, String)], key: &str| {
        let all: Vec<&str> =
            facts.iter().filter(|(k, _)| k == key).map(|(_, v)| v.as_str()).collect();
        if all.is_empty() { "-".to_string() } else { all.join("; ") }
    };
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in old.iter().chain(&new) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for key in keys {
        let (a, b) = (value(&old, key), value(&new, key));
        if a != b && key != facts::SEED {
            table.rows.push(vec![key.clone(), a, b]);
        }
    }
    table
}

/// Returns further figures of the arms that both records have.
pub(super) fn figures(pair: RecordPair<'_>) -> Table {
    let mut table =
        Table::new(["arm", "figure", "first", "second", "second ÷ first", "95 % interval"]);
    for (old, new) in arms(pair) {
        for m in METRICS.iter().filter(|m| FIGURES.contains(&m.key) || service::is_of_load(m.key)) {
            let [a, b] = [(pair.old, old), (pair.new, new)]
                .map(|(s, arm)| s.comparison.arm(&arm.id).and_then(|f| f.metrics.get(m.key)));
            // A figure of only one record, such as failed requests, is a difference too.
            if [a, b].into_iter().flatten().all(|figure| figure.median == 0.0) {
                continue;
            }
            let value =
                |f: Option<&Figure>| f.map_or_else(|| "-".into(), |f| show(f.median, m.unit));
            let mut row = vec![label(old, new), m.title.into(), value(a), value(b)];
            row.extend(match change(pair, &old.id, &new.id, m.key) {
                Some(r) => [ratio(r.ratio), interval(r.low, r.high)],
                None => ["-".into(), String::new()],
            });
            table.rows.push(row);
        }
    }
    table
}
