//! Three to six sentences: what is faster by how much, what it costs in memory and energy, which
//! arm to use, what to look at next, what could not be known. Each rests on a verdict of the
//! comparison; without one, it says so.

mod advice;
#[cfg(test)]
mod tests;
mod unknown;

use crate::{View, joules};
use ungil_experiment::arm::Arm;
use ungil_experiment::comparison::{ArmFigures, Versus};
use ungil_experiment::metric::{self, Better};
use ungil_experiment::stats::{Ratio, Verdict};
use ungil_format::counted;

/// The sentences for a record.
pub fn words(view: View<'_>) -> Vec<String> {
    let story = Story::new(view);
    if view.comparison.blocks == 0 {
        return vec!["Nothing was measured: no block was completed.".into()];
    }
    let mut said = Vec::new();
    said.extend(story.fastest());
    said.extend(story.without_gil());
    said.extend(story.cost());
    said.extend(story.advice());
    said.extend(story.next());
    said.extend(story.unknown());
    said
}

struct Story<'a> {
    view: View<'a>,
    /// More of the headline metric is better (throughput).
    more: bool,
    /// The arm with the best headline figure among those that are surely better than the baseline;
    /// else the baseline.
    best: Option<&'a ArmFigures>,
}

/// Returns the arm that is better than the baseline by its verdict, and of several the best.
pub(crate) fn surely_better(view: View<'_>) -> Option<&ArmFigures> {
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

/// How much better or worse, as a factor above 1.
fn factor(ratio: f64) -> String {
    format!("{}×", ungil_format::ratio(if ratio < 1.0 { 1.0 / ratio } else { ratio }))
}

fn interval(r: &Ratio) -> String {
    let (low, high) = if r.ratio < 1.0 { (1.0 / r.high, 1.0 / r.low) } else { (r.low, r.high) };
    format!("95 % interval {}, {}", ungil_format::interval(low, high), counted(r.blocks, "block"))
}

/// Names, or how many there are of them.
fn some(names: &[&str]) -> String {
    if names.len() > 3 { format!("{} arms", names.len()) } else { names.join(", ") }
}

impl<'a> Story<'a> {
    fn new(view: View<'a>) -> Story<'a> {
        let headline = &view.comparison.headline;
        let more = metric::find(headline).is_some_and(|m| m.better == Better::More);
        let best = surely_better(view).or_else(|| view.comparison.arms.first());
        Story { view, more, best }
    }

    fn good(&self) -> Verdict {
        if self.more { Verdict::More } else { Verdict::Less }
    }

    fn bad(&self) -> Verdict {
        if self.more { Verdict::Less } else { Verdict::More }
    }

    fn versus(&self, arm: &'a ArmFigures) -> Option<&'a Versus> {
        arm.metrics.get(&self.view.comparison.headline)?.baseline.as_ref()
    }

    fn arm(&self, id: &str) -> Option<&'a Arm> {
        self.view.record.header.arms.iter().find(|a| a.id == id)
    }

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
        let (mut slower, mut same, mut unsure) = (Vec::new(), Vec::new(), Vec::new());
        for arm in self.others() {
            match self.versus(arm).map(|v| v.verdict) {
                Some(v) if v == self.bad() => slower.push(arm),
                Some(Verdict::Same) => same.push(arm.arm.as_str()),
                _ if self.why(arm).is_some() => {}
                _ => unsure.push(arm.arm.as_str()),
            }
        }
        let mut parts = Vec::new();
        let ratio = |a: &ArmFigures| self.versus(a).and_then(|v| v.ratio).map_or(1.0, |r| r.ratio);
        let far = |a: &&&ArmFigures, b: &&&ArmFigures| {
            ratio(a).ln().abs().total_cmp(&ratio(b).ln().abs())
        };
        if let Some(worst) = slower.iter().max_by(far) {
            let all = if slower.len() > 1 {
                format!(" ({} arms are slower)", slower.len())
            } else {
                String::new()
            };
            parts.push(format!("{} is {} slower{all}", worst.arm, factor(ratio(worst))));
        }
        if !same.is_empty() {
            parts.push(format!("{} is the same within 1 %", some(&same)));
        }
        if !unsure.is_empty() {
            parts.push(format!("of {} it cannot be told", some(&unsure)));
        }
        let undecided: Vec<&str> =
            self.others().filter(|a| self.why(a).is_some()).map(|a| a.arm.as_str()).collect();
        if !undecided.is_empty() {
            parts.push(format!("{} is inconclusive", some(&undecided)));
        }
        if parts.is_empty() {
            let failed = self.view.comparison.arms.iter().any(|a| a.failed.is_some());
            let only = if failed { "the only arm that did not fail" } else { "the only arm" };
            return Some(format!("{baseline} is {only}: there is nothing to compare it with."));
        }
        Some(format!("No arm is surely faster than {baseline}: {}.", parts.join("; ")))
    }

    /// What taking the GIL away does, all else equal: the best and the worst case over workers and
    /// models.
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
        let told: Vec<String> = [pairs.first(), pairs.last().filter(|_| pairs.len() > 1)]
            .into_iter()
            .flatten()
            .map(|(figures, versus, ratio)| {
                let how = match versus.verdict {
                    Verdict::Same => "takes the same time as".to_string(),
                    Verdict::Inconclusive => "cannot be told apart from".to_string(),
                    v if v == self.good() => format!("is {} faster than", factor(ratio.ratio)),
                    _ => format!("is {} slower than", factor(ratio.ratio)),
                };
                format!("{} {how} {}", figures.arm, versus.arm)
            })
            .collect();
        (!told.is_empty())
            .then(|| format!("With and without the GIL, all else equal: {}.", told.join("; ")))
    }

    /// What the best arm costs in memory, CPU and energy.
    fn cost(&self) -> Option<String> {
        let best = self.best.filter(|b| b.arm != self.view.comparison.baseline)?;
        let mut parts = Vec::new();
        for key in ["pss_peak_bytes", "rss_peak_bytes"] {
            let Some(figure) = best.metrics.get(key) else { continue };
            let Some(m) = metric::find(key) else { continue };
            let held = format!(
                "{} of memory at its peak ({})",
                metric::show(figure.median, m.unit),
                m.title
            );
            parts.push(match figure.baseline.as_ref().and_then(|v| Some((v.verdict, v.ratio?))) {
                Some((Verdict::More | Verdict::Less, r)) => {
                    format!("{held}, {} times the baseline's", ungil_format::ratio(r.ratio))
                }
                Some((Verdict::Same, _)) => format!("{held}, as the baseline does"),
                _ => held,
            });
            break;
        }
        let ratio = |key: &str| {
            let versus = best.metrics.get(key)?.baseline.as_ref()?;
            versus.ratio.filter(|_| versus.why.is_none())
        };
        if let Some(r) = ratio("cpu_s") {
            parts.push(format!("{} times the CPU time", ungil_format::ratio(r.ratio)));
        }
        if let Some(r) = ratio("energy_j") {
            let class =
                joules::sensor(self.view).map_or("no sensor", |s| joules::class(s.evidence));
            parts.push(format!("{} times the energy ({class})", ungil_format::ratio(r.ratio)));
        }
        let (last, first) = parts.split_last()?;
        let all = if first.is_empty() {
            last.clone()
        } else {
            format!("{} and {last}", first.join(", "))
        };
        Some(format!("It costs {all}."))
    }

    /// Why an arm's headline figure has no verdict that further blocks could change.
    fn why(&self, arm: &'a ArmFigures) -> Option<&'a str> {
        self.versus(arm)?.why.as_deref()
    }
}
