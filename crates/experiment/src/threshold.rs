//! Thresholds of `--fail-if`, such as `time(3.14t,threads,4) > 1.05`.
//!
//! A bare number limits the ratio to the baseline. It is exceeded only if both confidence intervals
//! lie beyond it, so that noise does not fail a build. A number with a unit (`2 s`, `512 MiB`, `10
//! J`) limits the arm's own median.

use crate::comparison::{ArmFigures, Comparison};
use crate::error::{Error, usage};
use crate::metric::{self, Metric, Unit};
use crate::stats::MIN_BLOCKS;
use std::str::FromStr;
use ungil_format::{counted, ratio};

/// A parsed `--fail-if` argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    metric: &'static Metric,
    arm: String,
    above: bool,
    limit: f64,
    absolute: bool,
}

/// The result of checking a threshold against a comparison, with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThresholdCheck {
    /// The threshold is not exceeded.
    Passed(String),
    /// The threshold is exceeded.
    Exceeded(String),
    /// The interval contains the limit, or there is no figure.
    Inconclusive(String),
}

const FORM: &str = "write METRIC(ARM) > NUMBER, for example 'time(3.14t,threads,4) > 1.05' or 'rss(3.14t) > 512 MiB'";

impl FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Threshold, Error> {
        let bad = |why: String| usage(format!("cannot read --fail-if '{text}'"), why, FORM);
        let (name, rest) = text.split_once('(').ok_or_else(|| bad("'(' is missing".into()))?;
        let (arm, rest) = rest.split_once(')').ok_or_else(|| bad("')' is missing".into()))?;
        let metric = metric::find(name.trim())
            .ok_or_else(|| bad(format!("unknown metric '{}'", name.trim())))?;
        let rest = rest.trim();
        let (above, number) = match (rest.strip_prefix('>'), rest.strip_prefix('<')) {
            (Some(n), _) => (true, n),
            (_, Some(n)) => (false, n),
            _ => return Err(bad("expected '>' or '<' after the arm".into())),
        };
        let (limit, absolute) = amount(number.trim(), metric.unit).map_err(bad)?;
        let arm = arm.split(',').map(str::trim).collect::<Vec<_>>().join("/");
        Ok(Threshold { text: text.trim().into(), metric, arm, above, limit, absolute })
    }
}

fn amount(text: &str, unit: Unit) -> Result<(f64, bool), String> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 =
        text[..digits].parse().map_err(|_| format!("'{text}' is not a positive number"))?;
    let name = text[digits..].trim();
    if name.is_empty() {
        return Ok((number, false));
    }
    let unknown = || format!("'{name}' is not a unit of this metric");
    let units: &[(&str, f64)] = match unit {
        Unit::Bytes => {
            return ungil_format::parse_bytes(text).map(|n| (n as f64, true)).ok_or_else(unknown);
        }
        Unit::Seconds => &[("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6)],
        Unit::Joules => &[("J", 1.0), ("kJ", 1e3), ("mJ", 1e-3)],
        Unit::PerSecond => &[("/s", 1.0)],
        Unit::Share => &[("%", 0.01)],
        Unit::Number => &[],
    };
    units
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, size)| (number * size, true))
        .ok_or_else(unknown)
}

impl Threshold {
    /// Checks that the arm exists among `ids`.
    ///
    /// # Errors
    /// [`Error::Usage`] if it does not; the message names the existing arms.
    pub fn check(&self, ids: &[&str]) -> Result<(), Error> {
        if ids.contains(&self.arm.as_str()) {
            return Ok(());
        }
        let why = format!(
            "the arms are {}",
            ids.iter().map(|id| id.replace('/', ",")).collect::<Vec<_>>().join(" · ")
        );
        Err(usage(
            format!("--fail-if: there is no arm '{}'", self.arm.replace('/', ",")),
            why,
            FORM,
        ))
    }

    /// Checks `comparison` against the threshold.
    pub fn evaluate(&self, comparison: &Comparison) -> ThresholdCheck {
        let title = &self.text;
        let arm = comparison.arm(&self.arm);
        let Some((arm, figure)) = arm.and_then(|a| Some((a, a.metrics.get(self.metric.key)?)))
        else {
            let why = |a: &ArmFigures| {
                a.failed.clone().or_else(|| a.missing.get(self.metric.key).cloned())
            };
            let why = arm.and_then(why).map_or_else(String::new, |why| format!(": {why}"));
            return ThresholdCheck::Inconclusive(format!(
                "{title}: the arm has no figure for this metric{why}"
            ));
        };
        let (low, high, shown) = if self.absolute {
            // Share of failed requests over all blocks: a median over blocks would hide failures of
            // a single block.
            let pooled =
                arm.requests.and_then(|r| r.share()).filter(|_| self.metric.unit == Unit::Share);
            let m = pooled.unwrap_or(figure.median);
            (m, m, metric::show(m, self.metric.unit))
        } else if let Some(why) = figure.baseline.as_ref().and_then(|v| v.why.as_ref()) {
            return ThresholdCheck::Inconclusive(format!("{title}: {why}"));
        } else {
            match figure.baseline.as_ref().map(|v| v.ratio) {
                None => (1.0, 1.0, "1 (it is the baseline)".into()),
                Some(None) => {
                    return ThresholdCheck::Inconclusive(format!(
                        "{title}: there is no ratio to the baseline"
                    ));
                }
                Some(Some(r)) => match r.combined_interval() {
                    Some((low, high)) => (
                        low,
                        high,
                        format!("{} ({} to {})", ratio(r.ratio), ratio(low), ratio(high)),
                    ),
                    None => {
                        let blocks = counted(r.blocks, "block");
                        return ThresholdCheck::Inconclusive(format!(
                            "{title}: {blocks}, at least {MIN_BLOCKS} are needed"
                        ));
                    }
                },
            }
        };
        let message = format!("{title}: it is {shown}");
        let (certain, possible) = if self.above {
            (low > self.limit, high > self.limit)
        } else {
            (high < self.limit, low < self.limit)
        };
        match (certain, possible) {
            (true, _) => ThresholdCheck::Exceeded(message),
            (false, true) => ThresholdCheck::Inconclusive(message),
            (false, false) => match arm.requests.and_then(|r| r.too_many(&arm.arm)) {
                // The figures of a service that fails requests do not show what the work costs.
                Some(why) if self.metric.unit != Unit::Share => {
                    ThresholdCheck::Inconclusive(format!("{message}, but {why}"))
                }
                _ => ThresholdCheck::Passed(message),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_thresholds() {
        let b: Threshold = "time(3.14t, threads ,4) > 1.05".parse().expect("a threshold");
        assert_eq!(
            (b.arm.as_str(), b.metric.key, b.above, b.limit, b.absolute),
            ("3.14t/threads/4", "wall_s", true, 1.05, false)
        );
        let b: Threshold = "rss(3.14t)>512MiB".parse().expect("a threshold");
        assert_eq!((b.limit, b.absolute), (512.0 * 1_048_576.0, true));
        let b: Threshold = "failed(3.14t) > 0.1%".parse().expect("a threshold");
        assert_eq!((b.metric.key, b.limit, b.absolute), ("failed_share", 0.001, true));
    }

    #[test]
    fn rejects_malformed_thresholds() {
        for text in [
            "",
            "time",
            "time(x",
            "time(x)",
            "time(x) = 1",
            "tme(x) > 1",
            "time(x) > ",
            "time(x) > 1 MiB",
            "time(x) > -1",
        ] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<Threshold>();
        }
    }
}
