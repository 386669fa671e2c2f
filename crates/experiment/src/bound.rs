//! `--fail-if 'time(3.14t,threads,4) > 1.05'`: a bound that a pipeline must not cross.
//!
//! A bare number bounds the ratio with the baseline and is crossed only when both intervals lie
//! beyond it, so that noise does not fail a build; a number with a unit (`2 s`, `512 MiB`, `10 J`)
//! bounds the arm's own median.

use crate::comparison::{ArmFigures, Comparison};
use crate::error::{Error, usage};
use crate::metric::{self, Metric, Unit};
use crate::stats::LEAST_BLOCKS;
use std::str::FromStr;
use ungil_format::{counted, ratio};

/// A parsed bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    text: String,
    metric: &'static Metric,
    arm: String,
    above: bool,
    limit: f64,
    absolute: bool,
}

/// What a comparison says of a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crossed {
    /// It holds.
    No(String),
    /// It is crossed.
    Yes(String),
    /// The interval straddles it.
    Inconclusive(String),
}

const FORM: &str = "write METRIC(ARM) > NUMBER, for example 'time(3.14t,threads,4) > 1.05' or 'rss(3.14t) > 512 MiB'";

impl FromStr for Bound {
    type Err = Error;

    fn from_str(text: &str) -> Result<Bound, Error> {
        let bad = |why: String| usage(format!("cannot read --fail-if '{text}'"), why, FORM);
        let (name, rest) = text.split_once('(').ok_or_else(|| bad("there is no '('".into()))?;
        let (arm, rest) = rest.split_once(')').ok_or_else(|| bad("there is no ')'".into()))?;
        let metric = metric::find(name.trim())
            .ok_or_else(|| bad(format!("there is no metric '{}'", name.trim())))?;
        let rest = rest.trim();
        let (above, number) = match (rest.strip_prefix('>'), rest.strip_prefix('<')) {
            (Some(n), _) => (true, n),
            (_, Some(n)) => (false, n),
            _ => return Err(bad("after the arm comes neither '>' nor '<'".into())),
        };
        let (limit, absolute) = amount(number.trim(), metric.unit).map_err(bad)?;
        let arm = arm.split(',').map(str::trim).collect::<Vec<_>>().join("/");
        Ok(Bound { text: text.trim().into(), metric, arm, above, limit, absolute })
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

impl Bound {
    /// Checks that the arm exists among `ids`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the arms that do.
    pub fn check(&self, ids: &[&str]) -> Result<(), Error> {
        if ids.contains(&self.arm.as_str()) {
            return Ok(());
        }
        let why = format!(
            "the arms are {}",
            ids.iter().map(|id| id.replace('/', ",")).collect::<Vec<_>>().join(" · ")
        );
        Err(usage(
            format!("--fail-if names an arm '{}' that is not there", self.arm.replace('/', ",")),
            why,
            FORM,
        ))
    }

    /// What `comparison` says of it.
    pub fn judge(&self, comparison: &Comparison) -> Crossed {
        let title = &self.text;
        let arm = comparison.arm(&self.arm);
        let Some((arm, figure)) = arm.and_then(|a| Some((a, a.metrics.get(self.metric.key)?)))
        else {
            let why = |a: &ArmFigures| {
                a.failed.clone().or_else(|| a.missing.get(self.metric.key).cloned())
            };
            let why = arm.and_then(why).map_or_else(String::new, |why| format!(": {why}"));
            return Crossed::Inconclusive(format!("{title}: there is no such figure{why}"));
        };
        let (low, high, shown) = if self.absolute {
            // The share of all requests: a median over blocks would hide one block of failures.
            let pooled =
                arm.requests.and_then(|r| r.share()).filter(|_| self.metric.unit == Unit::Share);
            let m = pooled.unwrap_or(figure.median);
            (m, m, metric::show(m, self.metric.unit))
        } else if let Some(why) = figure.baseline.as_ref().and_then(|v| v.why.as_ref()) {
            return Crossed::Inconclusive(format!("{title}: {why}"));
        } else {
            match figure.baseline.as_ref().map(|v| v.ratio) {
                None => (1.0, 1.0, "1 (it is the baseline)".into()),
                Some(None) => {
                    return Crossed::Inconclusive(format!(
                        "{title}: there is no ratio with the baseline"
                    ));
                }
                Some(Some(r)) => match r.both() {
                    Some((low, high)) => (
                        low,
                        high,
                        format!("{} ({} to {})", ratio(r.ratio), ratio(low), ratio(high)),
                    ),
                    None => {
                        let blocks = counted(r.blocks, "block");
                        return Crossed::Inconclusive(format!(
                            "{title}: too few to decide, {blocks} of {LEAST_BLOCKS}"
                        ));
                    }
                },
            }
        };
        let says = format!("{title}: it is {shown}");
        let (surely, maybe) = if self.above {
            (low > self.limit, high > self.limit)
        } else {
            (high < self.limit, low < self.limit)
        };
        match (surely, maybe) {
            (true, _) => Crossed::Yes(says),
            (false, true) => Crossed::Inconclusive(says),
            (false, false) => match arm.requests.and_then(|r| r.too_many(&arm.arm)) {
                // What a service that fails spends is not what its work would cost.
                Some(why) if self.metric.unit != Unit::Share => {
                    Crossed::Inconclusive(format!("{says}, but {why}"))
                }
                _ => Crossed::No(says),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_read() {
        let b: Bound = "time(3.14t, threads ,4) > 1.05".parse().expect("a bound");
        assert_eq!(
            (b.arm.as_str(), b.metric.key, b.above, b.limit, b.absolute),
            ("3.14t/threads/4", "wall_s", true, 1.05, false)
        );
        let b: Bound = "rss(3.14t)>512MiB".parse().expect("a bound");
        assert_eq!((b.limit, b.absolute), (512.0 * 1_048_576.0, true));
        let b: Bound = "failed(3.14t) > 0.1%".parse().expect("a bound");
        assert_eq!((b.metric.key, b.limit, b.absolute), ("failed_share", 0.001, true));
    }

    #[test]
    fn nonsense_is_refused() {
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
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = text.parse::<Bound>();
        }
    }
}
