//! Two records side by side: a new CPython, another machine, before and after a change. What
//! differs between them, and how much each arm changed.
//!
//! Two figures of an arm: its change (the second record's over the first's), and the change of its
//! ratio to the baseline, which another machine or another day leaves alone where both arms feel it
//! alike.

use super::changes::{Row, Rows};
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

/// Values of one arm that a change is computed from: a bootstrap of more would take long and say no
/// more.
const MOST_VALUES: usize = 2000;

/// Figures whose change is in the table of two records, besides the headline.
const FIGURES: [&str; 6] =
    ["cpu_s", "busy_cores", "pss_peak_bytes", "lock_wait_s", "gil_wait_s", "energy_j"];

/// Two records of the same work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Two<'a> {
    pub(super) old: &'a Source,
    pub(super) new: &'a Source,
}

/// Pairs the records of two arguments: by their files' names, or, where each is a single one, with
/// each other. Gives what is left over, too.
pub(super) fn pairs<'a>(old: &'a [Source], new: &'a [Source]) -> (Vec<Two<'a>>, Vec<String>) {
    if let ([old], [new]) = (old, new) {
        return (vec![Two { old, new }], Vec::new());
    }
    let by_name: BTreeMap<String, &Source> = new.iter().map(|s| (s.name(), s)).collect();
    let (mut found, mut alone) = (Vec::new(), Vec::new());
    for source in old {
        match by_name.get(&source.name()) {
            Some(new) => found.push(Two { old: source, new }),
            None => alone.push(source.path.display().to_string()),
        }
    }
    let known: BTreeSet<String> = old.iter().map(Source::name).collect();
    alone.extend(
        new.iter().filter(|s| !known.contains(&s.name())).map(|s| s.path.display().to_string()),
    );
    let said = (!alone.is_empty())
        .then(|| format!("Only on one side, so not compared: {}.", alone.join(", ")));
    (found, said.into_iter().collect())
}

/// Arms of two records that are the same but for what is compared: the same id; else the only one
/// of the same kind.
fn arms<'a>(two: Two<'a>) -> Vec<(&'a Arm, &'a Arm)> {
    let [old, new] = [two.old, two.new].map(|s| &s.record.header.arms);
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

/// The counted runs of an arm.
fn runs<'a>(source: &'a Source, arm: &'a str) -> impl Iterator<Item = &'a Run> {
    let counts = move |r: &&Run| r.arm == arm && r.block > 0 && r.outcome == Outcome::Ok;
    source.record.runs.iter().filter(counts).take(MOST_VALUES)
}

/// An arm's figure in the new record over that in the old.
fn change(two: Two<'_>, old: &str, new: &str, key: &str) -> Option<Ratio> {
    let values = |source: &Source, arm: &str| -> Vec<f64> {
        runs(source, arm).filter_map(|r| r.metrics.get(key).copied()).collect()
    };
    // A service that fails part of its requests has not done the work of one that does not.
    let failing = |source: &Source, arm: &str| {
        source
            .comparison
            .arm(arm)
            .and_then(|a| a.requests)
            .is_some_and(|r| r.too_many(arm).is_some())
    };
    if failing(two.new, new) || failing(two.old, old) {
        return None;
    }
    unpaired(&values(two.new, new), &values(two.old, old), two.old.record.header.settings.seed)
}

/// The same of its ratio to its record's baseline, block by block.
fn shift(two: Two<'_>, old: &str, new: &str, key: &str) -> Option<Ratio> {
    let ratios = |source: &Source, arm: &str| -> Vec<f64> {
        let of = |arm: &str| -> BTreeMap<u32, f64> {
            runs(source, arm)
                .filter_map(|r| Some((r.block, r.metrics.get(key).copied()?)))
                .collect()
        };
        let base = of(&source.comparison.baseline);
        of(arm).iter().filter_map(|(block, v)| Some(v / base.get(block)?)).collect()
    };
    let first = old == two.old.comparison.baseline && new == two.new.comparison.baseline;
    if first {
        return None;
    }
    unpaired(&ratios(two.new, new), &ratios(two.old, old), two.old.record.header.settings.seed)
}

/// One name for two ids.
fn label(old: &Arm, new: &Arm) -> String {
    if old.id == new.id { old.id.clone() } else { format!("{} → {}", old.id, new.id) }
}

/// What a pair is called: its workload, with its records' name where another pair has the same
/// workload.
fn name(pairs: &[Two<'_>], two: Two<'_>) -> String {
    let workload = |two: &Two<'_>| facts::name(&two.new.record.header.workload);
    let mine = workload(&two);
    match pairs.iter().filter(|other| workload(other) == mine).count() {
        0 | 1 => mine,
        _ => format!("{mine} ({})", two.new.name()),
    }
}

/// What changed, in words: the arms whose intervals say that they did.
pub(super) fn words(pairs: &[Two<'_>]) -> Vec<String> {
    let (mut changed, mut same, mut unsure) = (Vec::new(), 0, 0);
    for two in pairs {
        let key = two.new.comparison.headline.as_str();
        let Some(m) = metric::find(key).filter(|_| two.old.comparison.headline == key) else {
            continue;
        };
        for (old, new) in arms(*two) {
            let Some(r) = change(*two, &old.id, &new.id, key) else { continue };
            match r.verdict(m.margin) {
                Verdict::Same => same += 1,
                Verdict::Inconclusive => unsure += 1,
                v => changed.push((
                    r,
                    format!("{} is {}", label(old, new), verdict_word(v, m)),
                    name(pairs, *two),
                )),
            }
        }
    }
    changed.sort_by(|a, b| b.0.ratio.ln().abs().total_cmp(&a.0.ratio.ln().abs()));
    let mut said: Vec<String> = changed
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
        said.push(format!("So are {} more, by less.", changed.len() - 6));
    }
    said.push(match (changed.len(), same, unsure) {
        (0, 0, 0) => "The two have no arm in common that was measured in both.".into(),
        (n, same, unsure) => format!(
            "Of {} in both, {n} differ for sure, {same} are the same, {unsure} cannot be told apart.",
            counted(n + same + unsure, "arm")
        ),
    });
    said
}

/// The changes of all pairs: of the headline figure, and of its ratio to the baseline.
pub(super) fn charts(pairs: &[Two<'_>], series: &Series) -> Vec<Chart> {
    let several = pairs.len() > 1;
    let title =
        |view: View<'_>| metric::find(&view.comparison.headline).map_or("headline", |m| m.title);
    let figure = pairs.first().map_or("headline", |two| title(two.new.view()));
    let mut head = vec!["arm", "first", "second", "second ÷ first", "95 % interval", "verdict"];
    if several {
        head.insert(0, "workload");
    }
    let (mut changes, mut shifts) = (Rows::new(&head), Rows::new(&head));
    for two in pairs {
        let key = two.new.comparison.headline.as_str();
        let Some(m) = metric::find(key).filter(|_| two.old.comparison.headline == key) else {
            continue;
        };
        for (old, new) in arms(*two) {
            let [a, b] = [(two.old, old), (two.new, new)]
                .map(|(s, arm)| s.comparison.arm(&arm.id).and_then(|f| f.metrics.get(key)));
            let (Some(a), Some(b)) = (a, b) else { continue };
            let name = several.then(|| name(pairs, *two));
            let of = |f: &Figure| {
                f.baseline
                    .as_ref()
                    .and_then(|v| v.ratio)
                    .map_or_else(|| "1".into(), |r| ratio(r.ratio))
            };
            let cells = [show(a.median, m.unit), show(b.median, m.unit)];
            let row = Row { name: name.as_deref(), arm: label(old, new), series: series.at(old) };
            changes.add(&row, cells, change(*two, &old.id, &new.id, key), m);
            if let Some(ratio) = shift(*two, &old.id, &new.id, key) {
                shifts.add(&row, [of(a), of(b)], Some(ratio), m);
            }
        }
    }
    vec![
        changes.chart(
            "change",
            &format!("{} of the second against the first", capital(figure)),
            "Each arm's median in the second record over that in the first, with its 95 % interval. The two were not measured in turns, so the interval knows what varies from run to run and not what else changed between the two.",
        ),
        shifts.chart(
            "shift",
            "Ratios to the baseline, second against first",
            "How each arm's ratio to the baseline of its own record changed: above 1, it lost on the baseline. What slows both arms of a record alike cancels out.",
        ),
    ]
}

/// The three figures of each arm in both records: the headline, memory, energy.
pub(super) fn three(two: Two<'_>) -> Table {
    let headline = two.new.comparison.headline.as_str();
    let memory = ["pss_peak_bytes", "rss_peak_bytes"].into_iter().find(|key| {
        arms(two).iter().any(|(_, new)| {
            two.new.comparison.arm(&new.id).is_some_and(|a| a.metrics.contains_key(*key))
        })
    });
    let keys = [headline, memory.unwrap_or("pss_peak_bytes"), "energy_j"];
    let mut table = Table::new(["arm"]);
    table.head.extend(keys.map(|key| metric::find(key).map_or(key, |m| m.title).to_string()));
    for (old, new) in arms(two) {
        let cell = |key: &str| {
            let unit = metric::find(key)?.unit;
            let a = two.old.comparison.arm(&old.id)?.metrics.get(key)?;
            let b = two.new.comparison.arm(&new.id)?.metrics.get(key)?;
            let by = change(two, &old.id, &new.id, key)
                .map_or_else(String::new, |r| format!(" (× {})", ratio(r.ratio)));
            Some(format!("{} → {}{by}", show(a.median, unit), show(b.median, unit)))
        };
        let mut row = vec![label(old, new)];
        row.extend(keys.map(|key| cell(key).unwrap_or_else(|| "not measured".into())));
        table.rows.push(row);
    }
    table
}

/// The hazards of both, each with the record that has it.
pub(super) fn doubts(two: Two<'_>) -> Vec<String> {
    let of = |source: &Source, which: &str| -> Vec<String> {
        super::doubts(source.view()).iter().map(|line| format!("{which}: {line}")).collect()
    };
    [of(two.old, "first"), of(two.new, "second")].concat()
}

/// What differs between two records besides their figures.
pub(super) fn differences(two: Two<'_>) -> Table {
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
    let (old, new) = (facts(two.old), facts(two.new));
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

/// Further figures of the arms that two records have in common.
pub(super) fn figures(two: Two<'_>) -> Table {
    let mut table =
        Table::new(["arm", "figure", "first", "second", "second ÷ first", "95 % interval"]);
    for (old, new) in arms(two) {
        for m in METRICS.iter().filter(|m| FIGURES.contains(&m.key) || service::is_of_load(m.key)) {
            let [a, b] = [(two.old, old), (two.new, new)]
                .map(|(s, arm)| s.comparison.arm(&arm.id).and_then(|f| f.metrics.get(m.key)));
            // What only one of the two has, such as failed requests, is a difference too.
            if [a, b].into_iter().flatten().all(|figure| figure.median == 0.0) {
                continue;
            }
            let value =
                |f: Option<&Figure>| f.map_or_else(|| "-".into(), |f| show(f.median, m.unit));
            let mut row = vec![label(old, new), m.title.into(), value(a), value(b)];
            row.extend(match change(two, &old.id, &new.id, m.key) {
                Some(r) => [ratio(r.ratio), interval(r.low, r.high)],
                None => ["-".into(), String::new()],
            });
            table.rows.push(row);
        }
    }
    table
}
