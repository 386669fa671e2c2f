//! Decides whether two arms of a service did the same work. Figures of a service that fails a part
//! of its requests, or fails a different part than the other arm, are not comparable.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ungil_format::{counted, percent};

/// Share of failed requests above which nothing is concluded. It equals the margin within which two
/// arms count as the same.
pub const MAX_FAILED_SHARE: f64 = 0.01;
/// Difference between two arms' shares of failed requests above which nothing is concluded: a tenth
/// of the requests that determine a p99.
const MAX_DIFFERENCE: f64 = 0.001;
/// Number of standard errors beyond which a difference of two shares is not chance.
const MIN_STANDARD_ERRORS: f64 = 3.0;

/// Metrics that are valid whatever share of the requests failed.
const UNAFFECTED_METRICS: [&str; 4] = ["requests", "failed_requests", "failed_share", "startup_s"];

/// Requests of one arm over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// All requests; absent from records of ungil 0.1, which contain only the failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<f64>,
    /// Of these, failed requests: an error status, a late response or no response.
    pub failed: f64,
}

impl Requests {
    /// Sums the requests of runs with these metrics; `None` if no run reports any.
    pub(crate) fn of<'a>(
        runs: impl Iterator<Item = &'a BTreeMap<String, f64>> + Clone,
    ) -> Option<Requests> {
        let sum = |key: &str| -> Option<f64> {
            let values: Vec<f64> =
                runs.clone().filter_map(|metrics| metrics.get(key).copied()).collect();
            (!values.is_empty()).then(|| values.iter().sum())
        };
        Some(Requests { made: sum("requests"), failed: sum("failed_requests")? })
    }

    /// Returns the share of failed requests; `None` if the number of requests is not known.
    pub fn share(&self) -> Option<f64> {
        match self.made {
            _ if self.failed == 0.0 => Some(0.0),
            Some(made) if made > 0.0 => Some((self.failed / made).clamp(0.0, 1.0)),
            _ => None,
        }
    }

    /// Returns why nothing may be concluded from the figures of `arm`, if too many of its requests
    /// failed.
    pub fn too_many(&self, arm: &str) -> Option<String> {
        match self.share() {
            None => Some(format!(
                "{} to {arm} failed, and the record does not contain their total number",
                counted(self.failed as u64, "request")
            )),
            Some(share) if share > MAX_FAILED_SHARE => {
                Some(format!("{} of the requests to {arm} failed", percent(share)))
            }
            Some(_) => None,
        }
    }
}

/// Returns why `metric` of two arms is not comparable, if their requests failed.
pub(crate) fn incomparable(
    metric: &str,
    mine: (&str, Option<Requests>),
    theirs: (&str, Option<Requests>),
) -> Option<String> {
    if UNAFFECTED_METRICS.contains(&metric) {
        return None;
    }
    let too_many: Vec<String> =
        [mine, theirs].iter().filter_map(|(arm, r)| r.as_ref()?.too_many(arm)).collect();
    if !too_many.is_empty() {
        return Some(too_many.join(" and "));
    }
    let ((mine, a), (theirs, b)) = ((mine.0, mine.1?), (theirs.0, theirs.1?));
    let (share_a, share_b) = (a.share()?, b.share()?);
    let (made_a, made_b) = (a.made?, b.made?);
    let pooled = (a.failed + b.failed) / (made_a + made_b);
    let error = (pooled * (1.0 - pooled) * (1.0 / made_a + 1.0 / made_b)).sqrt();
    let difference = (share_a - share_b).abs();
    (difference > MAX_DIFFERENCE && difference > MIN_STANDARD_ERRORS * error).then(|| {
        format!(
            "{} of the requests to {mine} failed and {} of those to {theirs}",
            percent(share_a),
            percent(share_b)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(a: (f64, f64), b: (f64, f64)) -> Option<String> {
        let requests = |(failed, made)| Some(Requests { made: Some(made), failed });
        incomparable("throughput_per_s", ("3.14t", requests(a)), ("3.14", requests(b)))
    }

    #[test]
    fn arms_are_compared_only_if_both_did_their_work() {
        assert_eq!(compared((0.0, 10_000.0), (0.0, 9_000.0)), None);
        assert_eq!(compared((2.0, 10_000.0), (0.0, 9_000.0)), None, "two failures of ten thousand");
        assert_eq!(compared((1.0, 200.0), (0.0, 200.0)), None, "one failure is chance");
        assert_eq!(compared((50.0, 10_000.0), (45.0, 10_000.0)), None, "the same small share");
        let expected = "27.1 % of the requests to 3.14t failed";
        assert_eq!(compared((2710.0, 10_000.0), (0.0, 9_000.0)).as_deref(), Some(expected));
        let expected =
            "50.0 % of the requests to 3.14t failed and 50.0 % of the requests to 3.14 failed";
        assert_eq!(
            compared((50.0, 100.0), (50.0, 100.0)).as_deref(),
            Some(expected),
            "the same large share"
        );
        let expected = "0.50 % of the requests to 3.14t failed and 0 % of those to 3.14";
        assert_eq!(compared((50.0, 10_000.0), (0.0, 10_000.0)).as_deref(), Some(expected));
    }

    #[test]
    fn failures_without_a_total_are_not_comparable_except_with_themselves() {
        let old = Some(Requests { made: None, failed: 12.0 });
        let clean = Some(Requests { made: None, failed: 0.0 });
        assert!(
            incomparable("cpu_s", ("a", old), ("b", clean))
                .is_some_and(|w| w.starts_with("12 requests to a"))
        );
        assert_eq!(incomparable("cpu_s", ("a", clean), ("b", clean)), None);
        assert_eq!(incomparable("failed_share", ("a", old), ("b", clean)), None);
        assert_eq!(incomparable("cpu_s", ("a", None), ("b", None)), None);
    }
}
