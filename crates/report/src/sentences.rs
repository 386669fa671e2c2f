//! Three to six sentences about a record: which arm is faster and by how much, what it costs in
//! memory and energy, which arm to use, what to look at next, what was not measured. Each claim is
//! a verdict of the comparison.

mod advice;
#[cfg(test)]
mod tests;
mod unmeasured;

use crate::{View, joules};
use ungil_experiment::arm::Arm;
use ungil_experiment::comparison::{ArmFigures, Versus};
use ungil_experiment::metric::{self, Better};
use ungil_experiment::stats::{Ratio, Verdict};
use ungil_format::counted;

/// Returns the sentences for a record.
pub fn sentences(view: View<'_>) -> Vec<String> {
    let results = Results::new(view);
    if view.comparison.blocks == 0 {
        return vec!["Nothing was measured: no block was completed.".into()];
    }
    [
        results.fastest(),
        results.without_gil(),
        results.cost(),
        results.advice(),
        results.next_step(),
        results.unmeasured(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns whether a free-threaded arm is slower than the same arm with one worker, which suggests
/// that its threads share an object.
pub fn collapses(view: View<'_>) -> bool {
    view.comparison.blocks > 0 && Results::new(view).collapse().is_some()
}

struct Results<'a> {
    view: View<'a>,
    /// Whether more of the headline metric is better (throughput).
    more_is_better: bool,
    /// The arm that [`best_arm`] returns, or else the baseline.
    best: Option<&'a ArmFigures>,
}

/// Returns the arm with the best headline figure among those whose verdict is better than the
/// baseline.
pub(crate) fn best_arm(view: View<'_>) -> Option<&ArmFigures> {
    let key = view.comparison.headline.as_str();
    let more = metric::find(key).is_some_and(|m| m.better == Better::More);
    let good = if more { Verdict::More } else { Verdict::Less };
    let real = |id: &str| view.record.header.arms.iter().any(|a| a.id == id && !a.again);
    let better = view.comparison.arms.iter().filter(|a| {
        let verdict = a.metrics.get(key).and_then(|f| Some(f.baseline.as_ref()?.verdict));
        a.failed.is_none() && real(&a.arm) && verdict == Some(good)
    });
    let value = |a: &&ArmFigures| a.metrics.get(key).map_or(f64::NAN, |f| f.median);
    better.min_by(|a, b| {
        let order = value(a).total_cmp(&value(b));
        if more { order.reverse() } else { order }
    })
}

/// Formats how much better or worse an arm is, as a factor above 1.
fn factor(ratio: f64) -> String {
    format!("{}×", ungil_format::ratio(if ratio < 1.0 { 1.0 / ratio } else { ratio }))
}

fn interval(r: &Ratio) -> String {
    let (low, high) = if r.ratio < 1.0 { (1.0 / r.high, 1.0 / r.low) } else { (r.low, r.high) };
    format!("95 % interval {}, {}", ungil_format::interval(low, high), counted(r.blocks, "block"))
}

/// Formats a ratio before a noun: `1.33× the memory`, `1/12 of the memory`.
fn times(ratio: f64, noun: &str) -> String {
    let shown = ungil_format::ratio(ratio);
    let of = if shown.contains('/') { " of" } else { "×" };
    format!("{shown}{of} {noun}")
}

/// Lists up to three arms; counts more.
fn list_arms(names: &[&str]) -> String {
    if names.len() > 3 { format!("{} arms", names.len()) } else { names.join(", ") }
}

impl<'a> Results<'a> {
    fn new(view: View<'a>) -> Results<'a> {
        let headline = &view.comparison.headline;
        let more_is_better = metric::find(headline).is_some_and(|m| m.better == Better::More);
        let best = best_arm(view).or_else(|| view.comparison.arms.first());
        Results { view, more_is_better, best }
    }

    fn good(&self) -> Verdict {
        if self.more_is_better { Verdict::More } else { Verdict::Less }
    }

    fn bad(&self) -> Verdict {
        if self.more_is_better { Verdict::Less } else { Verdict::More }
    }

    /// Returns an arm's headline ratio with the baseline.
    fn versus(&self, arm: &'a ArmFigures) -> Option<&'a Versus> {
        arm.metrics.get(&self.view.comparison.headline)?.baseline.as_ref()
    }

    fn arm(&self, id: &str) -> Option<&'a Arm> {
        self.view.record.header.arms.iter().find(|a| a.id == id)
    }

    /// Returns the arms that are compared with the baseline: not the baseline again (A/A), and none
    /// that failed.
    fn others(&self) -> impl Iterator<Item = &'a ArmFigures> + use<'a> {
        let arms = &self.view.record.header.arms;
        let real = |id: &str| arms.iter().any(|a| a.id == id && !a.again);
        self.view.comparison.arms.iter().skip(1).filter(move |a| real(&a.arm) && a.failed.is_none())
    }

    fn fastest(&self) -> Option<String> {
        let baseline = &self.view.comparison.baseline;
        let best = self.best?;
        if let Some(r) =
            self.versus(best).filter(|v| v.verdict == self.good()).and_then(|v| v.ratio)
        {
            return Some(format!(
                "{} is the fastest: {} faster than {baseline} ({}).",
                best.arm,
                factor(r.ratio),
                interval(&r)
            ));
        }
        let (mut slower, mut same, mut inconclusive) = (Vec::new(), Vec::new(), Vec::new());
        for arm in self.others() {
            match self.versus(arm).map(|v| v.verdict) {
                Some(v) if v == self.bad() => slower.push(arm),
                Some(Verdict::Same) => same.push(arm.arm.as_str()),
                _ => inconclusive.push(arm.arm.as_str()),
            }
        }
        let mut parts = Vec::new();
        let ratio = |a: &ArmFigures| self.versus(a).and_then(|v| v.ratio).map_or(1.0, |r| r.ratio);
        let far = |a: &&&ArmFigures, b: &&&ArmFigures| {
            ratio(a).ln().abs().total_cmp(&ratio(b).ln().abs())
        };
        if let Some(worst) = slower.iter().max_by(far) {
            let all = if slower.len() > 1 {
                format!(" (the slowest of {} slower arms)", slower.len())
            } else {
                String::new()
            };
            parts.push(format!("{}: {} slower{all}", worst.arm, factor(ratio(worst))));
        }
        if !same.is_empty() {
            parts.push(format!("{}: same within 1 %", list_arms(&same)));
        }
        if !inconclusive.is_empty() {
            parts.push(format!("{}: inconclusive", list_arms(&inconclusive)));
        }
        if parts.is_empty() {
            let failed = self.view.comparison.arms.iter().any(|a| a.failed.is_some());
            let only = if failed { "the only arm that did not fail" } else { "the only arm" };
            return Some(format!("{baseline} is {only}, so there is nothing to compare it with."));
        }
        Some(format!("No arm is measurably faster than {baseline}. {}.", parts.join(". ")))
    }

    /// States what removing the GIL does, all else equal: the first and the last pair of arms that
    /// differ only in the build.
    fn without_gil(&self) -> Option<String> {
        let arms = &self.view.record.header.arms;
        let baseline = arms.first()?;
        let mut pairs: Vec<(&ArmFigures, &Versus, Ratio)> = Vec::new();
        for figures in self.others() {
            let Some(twin) = self.arm(&figures.arm).and_then(|a| a.twin(arms)) else { continue };
            let Some(figure) = figures.metrics.get(&self.view.comparison.headline) else {
                continue;
            };
            let versus = if twin.id == baseline.id {
                figure.baseline.as_ref()
            } else {
                figure.twin.as_ref()
            };
            if let Some((versus, ratio)) =
                versus.filter(|v| v.why.is_none()).and_then(|v| Some((v, v.ratio?)))
            {
                pairs.push((figures, versus, ratio));
            }
        }
        let cases: Vec<String> = [pairs.first(), pairs.last().filter(|_| pairs.len() > 1)]
            .into_iter()
            .flatten()
            .map(|(figures, versus, ratio)| {
                let (arm, twin) = (&figures.arm, &versus.arm);
                match versus.verdict {
                    Verdict::Same => format!("{arm} is as fast as {twin}"),
                    Verdict::Inconclusive => format!("{arm} against {twin} is inconclusive"),
                    v if v == self.good() => {
                        format!("{arm} is {} faster than {twin}", factor(ratio.ratio))
                    }
                    _ => format!("{arm} is {} slower than {twin}", factor(ratio.ratio)),
                }
            })
            .collect();
        (!cases.is_empty())
            .then(|| format!("Without the GIL, all else equal: {}.", cases.join("; ")))
    }

    /// States what the best arm costs in memory, CPU time and energy.
    fn cost(&self) -> Option<String> {
        let baseline = &self.view.comparison.baseline;
        let best = self.best.filter(|b| b.arm != *baseline)?;
        let mut parts = Vec::new();
        for key in ["pss_peak_bytes", "rss_peak_bytes"] {
            let Some(figure) = best.metrics.get(key) else { continue };
            let Some(m) = metric::find(key) else { continue };
            let peak = metric::show(figure.median, m.unit);
            let memory = match figure.baseline.as_ref().and_then(|v| Some((v.verdict, v.ratio?))) {
                Some((Verdict::More | Verdict::Less, r)) => times(r.ratio, "the memory"),
                Some((Verdict::Same, _)) => "the same memory".into(),
                _ => {
                    parts.push(format!("{peak} of memory (peak {})", m.title));
                    break;
                }
            };
            parts.push(format!("{memory} (peak {} {peak})", m.title));
            break;
        }
        let ratio = |key: &str| {
            let versus = best.metrics.get(key)?.baseline.as_ref()?;
            versus.ratio.filter(|_| versus.why.is_none())
        };
        if let Some(r) = ratio("cpu_s") {
            parts.push(times(r.ratio, "the CPU time"));
        }
        if let Some(r) = ratio("energy_j") {
            let class =
                joules::sensor(self.view).map_or("no sensor", |s| joules::class(s.evidence));
            parts.push(format!("{} ({class})", times(r.ratio, "the energy")));
        }
        let (last, first) = parts.split_last()?;
        let all = if first.is_empty() {
            last.clone()
        } else {
            format!("{} and {last}", first.join(", "))
        };
        Some(format!("Compared with {baseline}, {} needs {all}.", best.arm))
    }

    /// Returns why an arm's verdict is inconclusive, if further blocks would not change it.
    fn why(&self, arm: &'a ArmFigures) -> Option<&'a str> {
        self.versus(arm)?.why.as_deref()
    }
}
