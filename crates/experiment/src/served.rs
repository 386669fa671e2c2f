//! Decides whether two arms of a service did the same work: figures of a service that fails part of
//! its requests, or fails another part than its neighbour does, are not comparable.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ungil_format::{counted, percent};

/// Share of failed requests above which nothing is concluded: the margin within which two arms
/// count as the same.
pub const LARGE: f64 = 0.01;
/// Difference between two arms' shares above which nothing is concluded: a tenth of the requests
/// that decide a p99.
const APART: f64 = 0.001;
/// Standard errors by which two shares differ before it is not chance.
const ERRORS: f64 = 3.0;

/// Metrics that stand whatever part of the requests failed.
const STAND: [&str; 4] = ["requests", "failed_requests", "failed_share", "startup_s"];

/// Requests of one arm over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// All requests; absent from records of ungil 0.1, which kept the failures alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<f64>,
    /// Of these, requests with an error status, a late answer or no answer.
    pub failed: f64,
}

impl Requests {
    /// Adds up the requests of runs with these metrics; `None` if no run reports any.
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

    /// The failed share; `None` if the number of requests is not known.
    pub fn share(&self) -> Option<f64> {
        match self.made {
            _ if self.failed == 0.0 => Some(0.0),
            Some(made) if made > 0.0 => Some((self.failed / made).clamp(0.0, 1.0)),
            _ => None,
        }
    }

    /// Says why figures of `arm` may not be concluded from, if too many of its requests failed.
    pub fn too_many(&self, arm: &str) -> Option<String> {
        match self.share() {
            None => Some(format!(
                "{} to {arm} failed, the record does not say of how many",
                counted(self.failed as u64, "request")
            )),
            Some(share) if share > LARGE => {
                Some(format!("{} of the requests to {arm} failed", percent(share)))
            }
            Some(_) => None,
        }
    }
}

/// Says why `metric` of two arms is not comparable, if their requests failed.
pub(crate) fn incomparable(
    metric: &str,
    mine: (&str, Option<Requests>),
    theirs: (&str, Option<Requests>),
) -> Option<String> {
    if STAND.contains(&metric) {
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
    let apart = (share_a - share_b).abs();
    (apart > APART && apart > ERRORS * error).then(|| {
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

    fn judged(a: (f64, f64), b: (f64, f64)) -> Option<String> {
        let requests = |(failed, made)| Some(Requests { made: Some(made), failed });
        incomparable("throughput_per_s", ("3.14t", requests(a)), ("3.14", requests(b)))
    }

    #[test]
    fn arms_are_compared_only_if_both_did_their_work() {
        assert_eq!(judged((0.0, 10_000.0), (0.0, 9_000.0)), None);
        assert_eq!(judged((2.0, 10_000.0), (0.0, 9_000.0)), None, "two failures of ten thousand");
        assert_eq!(judged((1.0, 200.0), (0.0, 200.0)), None, "one failure is chance");
        assert_eq!(judged((50.0, 10_000.0), (45.0, 10_000.0)), None, "the same small share");
        let says = "27.1 % of the requests to 3.14t failed";
        assert_eq!(judged((2710.0, 10_000.0), (0.0, 9_000.0)).as_deref(), Some(says));
        let says =
            "50.0 % of the requests to 3.14t failed and 50.0 % of the requests to 3.14 failed";
        assert_eq!(
            judged((50.0, 100.0), (50.0, 100.0)).as_deref(),
            Some(says),
            "the same large share"
        );
        let says = "0.50 % of the requests to 3.14t failed and 0 % of those to 3.14";
        assert_eq!(judged((50.0, 10_000.0), (0.0, 10_000.0)).as_deref(), Some(says));
    }

    #[test]
    fn failures_of_an_unknown_number_of_requests_decide_nothing_and_failures_themselves_are_compared()
     {
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
