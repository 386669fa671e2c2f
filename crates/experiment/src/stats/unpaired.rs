//! The ratio of measurements from two sessions or machines. Nothing pairs the values, so each side
//! is resampled separately.
//!
//! The intervals describe only the run-to-run variation of the two medians (and geometric means).
//! They do not cover unintended changes between the two sessions.

use super::{CONFIDENCE, RESAMPLES, Ratio, median, sorted_median};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Returns the ratio of `new` to `old`. Its geometric mean has Welch's interval (Welch 1947:
/// unequal variances). `blocks` is the number of values of the smaller side. `seed` makes the
/// bootstrap reproducible. `None` if a side has no values, or if a value is not positive and
/// finite.
pub fn unpaired(new: &[f64], old: &[f64], seed: u64) -> Option<Ratio> {
    let logs = |values: &[f64]| -> Option<Vec<f64>> {
        values.iter().map(|v| (*v > 0.0 && v.is_finite()).then(|| v.ln())).collect()
    };
    let (new, old) = (logs(new)?, logs(old)?);
    let middle = median(&new)? - median(&old)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut resampled = |values: &[f64]| {
        let mut drawn: Vec<f64> =
            (0..values.len()).map(|_| values[random.random_range(0..values.len())]).collect();
        drawn.sort_by(f64::total_cmp);
        sorted_median(&drawn).unwrap_or(0.0)
    };
    let mut differences: Vec<f64> =
        (0..RESAMPLES).map(|_| resampled(&new) - resampled(&old)).collect();
    differences.sort_by(f64::total_cmp);
    let tail = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
    let (low, high) =
        (differences[tail].min(middle), differences[RESAMPLES - 1 - tail].max(middle));
    let (mean, half) = welch(&new, &old);
    Some(Ratio {
        ratio: middle.exp(),
        low: low.exp(),
        high: high.exp(),
        gmean: mean.exp(),
        gmean_low: half.map(|h| (mean - h).exp()),
        gmean_high: half.map(|h| (mean + h).exp()),
        blocks: new.len().min(old.len()),
    })
}

/// Returns the difference of two means and the half-width of Welch's interval; there is no interval
/// if a side has a single value.
fn welch(a: &[f64], b: &[f64]) -> (f64, Option<f64>) {
    let of = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n, n)
    };
    let ((mean_a, va, na), (mean_b, vb, nb)) = (of(a), of(b));
    let difference = mean_a - mean_b;
    if a.len() < 2 || b.len() < 2 {
        return (difference, None);
    }
    let total = va + vb;
    if total == 0.0 {
        return (difference, Some(0.0));
    }
    // Welch-Satterthwaite.
    let freedom = total.powi(2) / (va.powi(2) / (na - 1.0) + vb.powi(2) / (nb - 1.0));
    let t = StudentsT::new(0.0, 1.0, freedom).ok();
    (difference, t.map(|t| t.inverse_cdf(0.5 + CONFIDENCE / 2.0) * total.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn welch_interval_matches_textbook() {
        // Two samples of five, variances 2.5 and 10: standard error sqrt(2.5), 5.882 degrees of
        // freedom, t 2.4590.
        let (difference, half) = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!((difference + 3.0).abs() < 1e-12);
        let half = half.expect("two samples have an interval");
        assert!((half - 2.459 * 2.5f64.sqrt()).abs() < 2e-3, "{half}");
        assert_eq!(welch(&[1.0], &[1.0, 2.0]).1, None);
    }

    #[test]
    fn distinguishes_different_from_equal_medians() {
        let around = |middle: f64| -> Vec<f64> {
            (0..9).map(|i| middle * (1.0 + 0.001 * f64::from(i))).collect()
        };
        let verdict = |a: &[f64], b: &[f64]| unpaired(a, b, 1).map(|r| r.verdict(0.01));
        assert_eq!(verdict(&around(2.0), &around(1.0)), Some(Verdict::More));
        assert_eq!(verdict(&around(1.0), &around(2.0)), Some(Verdict::Less));
        assert_eq!(verdict(&around(1.0), &around(1.0)), Some(Verdict::Same));
        assert_eq!(verdict(&around(1.0)[..4], &around(2.0)), Some(Verdict::Inconclusive));
        assert_eq!(unpaired(&[], &[1.0], 1), None);
        assert_eq!(unpaired(&[0.0], &[1.0], 1), None);
        assert_eq!(unpaired(&[f64::NAN], &[1.0], 1), None);
    }

    proptest! {
        // Each case is two bootstraps.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn ratio_lies_in_its_interval(new in prop::collection::vec(1e-3f64..1e3, 1..20), old in prop::collection::vec(1e-3f64..1e3, 1..20)) {
            let there = unpaired(&new, &old, 3).expect("positive values");
            prop_assert!(there.low <= there.ratio && there.ratio <= there.high);
            let back = unpaired(&old, &new, 3).expect("positive values");
            prop_assert!((there.ratio * back.ratio - 1.0).abs() < 1e-9);
        }
    }
}
