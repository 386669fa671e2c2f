//! Statistics of paired blocks.
//!
//! Runs of all arms drift together with the machine, so the unit is the block: the ratio of two
//! arms is taken inside each block, as a logarithm. The estimate is the median of these ratios with
//! a percentile bootstrap interval over blocks, which is robust against a few disturbed blocks. In
//! addition there is the geometric mean with its Student-t interval, which the literature uses. A
//! claim of a difference requires both.

mod unpaired;

pub use unpaired::unpaired;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::fmt;

/// Number of bootstrap resamples. The ends of the interval then vary by less than a tenth of its
/// width between seeds.
const RESAMPLES: usize = 2000;
/// Confidence level of every interval.
pub const CONFIDENCE: f64 = 0.95;
/// Minimum number of blocks for a verdict: the range of five paired ratios covers the median with
/// 93.75 %, that of four with only 87.5 %.
pub const MIN_BLOCKS: usize = 5;

/// A ratio of two arms with its confidence intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the blocks' ratios.
    pub ratio: f64,
    /// Lower end of its bootstrap interval.
    pub low: f64,
    /// Upper end of its bootstrap interval.
    pub high: f64,
    /// Geometric mean of the blocks' ratios.
    pub gmean: f64,
    /// Lower end of its Student-t interval; absent for a single block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gmean_low: Option<f64>,
    /// Upper end of its Student-t interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gmean_high: Option<f64>,
    /// Number of blocks with both arms.
    pub blocks: usize,
}

/// Formats the ratio with its interval, or with the number of blocks if there are too few for an
/// interval.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.blocks {
            few if few < MIN_BLOCKS => ungil_format::counted(few, "block"),
            _ => ungil_format::interval(self.low, self.high),
        };
        write!(f, "{} ({of})", ungil_format::ratio(self.ratio))
    }
}

/// The conclusion that a ratio allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Less by more than the margin, according to both intervals.
    Less,
    /// More by more than the margin, according to both intervals.
    More,
    /// Both intervals lie within the margin.
    Same,
    /// The intervals are too wide, or there are too few blocks.
    #[serde(alias = "cannot-tell")] // the name in records written by 0.1
    Inconclusive,
}

/// Returns the median (for an even number of values, the mean of the middle two); `None` for no
/// values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted_median(&sorted)
}

fn sorted_median(sorted: &[f64]) -> Option<f64> {
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some(f64::midpoint(sorted[n / 2 - 1], sorted[n / 2])),
    }
}

/// Returns the quantile `q` (0 to 1), interpolated linearly between order statistics; `None` for no
/// values.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let next = sorted.get(below + 1).unwrap_or(&sorted[below]);
    Some(sorted[below] + part * (next - sorted[below]))
}

/// Returns the ratio of two arms from the pairs of their blocks (this arm, the other). `seed` makes
/// the bootstrap reproducible. `None` without pairs, or if a value is not positive and finite.
pub fn paired(pairs: &[(f64, f64)], seed: u64) -> Option<Ratio> {
    let logs: Vec<f64> = pairs.iter().map(|(a, b)| (a / b).ln()).collect();
    if logs.is_empty()
        || pairs.iter().any(|(a, b)| !(*a > 0.0 && *b > 0.0))
        || logs.iter().any(|l| !l.is_finite())
    {
        return None;
    }
    let (low, high) = bootstrap(&logs, seed);
    let (gmean, half) = student(&logs);
    Some(Ratio {
        ratio: median(&logs)?.exp(),
        low: low.exp(),
        high: high.exp(),
        gmean: gmean.exp(),
        gmean_low: half.map(|h| (gmean - h).exp()),
        gmean_high: half.map(|h| (gmean + h).exp()),
        blocks: logs.len(),
    })
}

/// Returns the percentile bootstrap interval of the median.
fn bootstrap(values: &[f64], seed: u64) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut resample = vec![0.0; values.len()];
    let mut medians: Vec<f64> = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for slot in &mut resample {
            *slot = values[random.random_range(0..values.len())];
        }
        resample.sort_by(f64::total_cmp);
        medians.extend(sorted_median(&resample));
    }
    medians.sort_by(f64::total_cmp);
    let tail = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
    (medians[tail], medians[RESAMPLES - 1 - tail])
}

/// Returns the mean and the half-width of its Student-t interval; a single value has no interval.
fn student(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok();
    (mean, t.map(|t| t.inverse_cdf(0.5 + CONFIDENCE / 2.0) * (variance / n).sqrt()))
}

impl Ratio {
    /// Returns the verdict. Differences within `margin`, a fraction of 1, count as none.
    pub fn verdict(&self, margin: f64) -> Verdict {
        let Some((low, high)) = self.combined_interval() else { return Verdict::Inconclusive };
        if high < 1.0 - margin {
            Verdict::Less
        } else if low > 1.0 + margin {
            Verdict::More
        } else if low >= 1.0 - margin && high <= 1.0 + margin {
            Verdict::Same
        } else {
            Verdict::Inconclusive
        }
    }

    /// Returns the union of both intervals, on which verdicts are based; `None` with fewer than
    /// [`MIN_BLOCKS`].
    pub fn combined_interval(&self) -> Option<(f64, f64)> {
        let (low, high) =
            self.gmean_low.zip(self.gmean_high).filter(|_| self.blocks >= MIN_BLOCKS)?;
        Some((self.low.min(low), self.high.max(high)))
    }

    /// Returns half the relative width of the bootstrap interval.
    pub fn precision(&self) -> f64 {
        (self.high / self.low).sqrt() - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn median_and_quantiles() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn student_interval_matches_textbook() {
        // 1..5: mean 3, s = sqrt(2.5), t(4, 0.975) = 2.776445.
        let (mean, half) = student(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((mean - 3.0).abs() < 1e-12);
        let half = half.expect("five values have an interval");
        assert!((half - 2.776_445 * (2.5f64 / 5.0).sqrt()).abs() < 1e-5, "{half}");
        assert_eq!(student(&[1.0]), (1.0, None));
    }

    #[test]
    fn bootstrap_of_five_blocks_is_their_range() {
        let logs = [0.1, 0.3, 0.2, 0.5, 0.4];
        assert_eq!(bootstrap(&logs, 1), (0.1, 0.5));
    }

    #[test]
    fn verdicts_need_both_intervals_and_enough_blocks() {
        let twice: Vec<(f64, f64)> = (0..8).map(|i| (2.0 + 0.001 * f64::from(i), 1.0)).collect();
        assert_eq!(paired(&twice, 7).map(|r| r.verdict(0.01)), Some(Verdict::More));
        assert_eq!(paired(&twice[..4], 7).map(|r| r.verdict(0.01)), Some(Verdict::Inconclusive));
        let same: Vec<(f64, f64)> = (0..8).map(|i| (1.0 + 0.0002 * f64::from(i), 1.0)).collect();
        assert_eq!(paired(&same, 7).map(|r| r.verdict(0.01)), Some(Verdict::Same));
        // Outliers leave the median's interval narrow, but not Student's.
        let mut wild = twice.clone();
        wild.push((900.0, 1.0));
        wild.push((0.001, 1.0));
        assert_eq!(paired(&wild, 7).map(|r| r.verdict(0.01)), Some(Verdict::Inconclusive));
    }

    #[test]
    fn no_ratio_without_positive_pairs() {
        assert_eq!(paired(&[], 1), None);
        assert_eq!(paired(&[(0.0, 1.0)], 1), None);
        assert_eq!(paired(&[(1.0, 0.0)], 1), None);
        assert_eq!(paired(&[(f64::NAN, 1.0)], 1), None);
    }

    proptest! {
        #[test]
        fn ratio_lies_in_its_interval_and_inverts(values in prop::collection::vec((1e-3f64..1e3, 1e-3f64..1e3), 1..40)) {
            let there = paired(&values, 3).expect("positive pairs");
            prop_assert!(there.low <= there.ratio && there.ratio <= there.high);
            let swapped: Vec<(f64, f64)> = values.iter().map(|(a, b)| (*b, *a)).collect();
            let back = paired(&swapped, 3).expect("positive pairs");
            prop_assert!((there.ratio * back.ratio - 1.0).abs() < 1e-9);
            prop_assert!((there.gmean * back.gmean - 1.0).abs() < 1e-9);
        }
    }
}
