//! Samples how busy each core was over the time of a run. This shows what a mean hides, such as a
//! tail in which a single worker is still busy.
//!
//! The number of points is bounded: when there are too many, each two are merged into one of twice
//! the length. `/proc/stat` counts in ticks of 10 ms, so a point covers at least ten ticks.

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use ungil_meter::machine::busy_seconds;

/// Initial time between samples.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of points.
const MAX_POINTS: usize = 200;
/// Maximum number of values: points times cores.
const MAX_VALUES: usize = 3200;

/// Core utilization over the time of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoreUse {
    /// Seconds covered by a point. The first point begins at the start of the process.
    pub every_s: f64,
    /// For each point, the share of time that each core was busy (0 to 1), by any process, rounded
    /// to two digits.
    pub busy: Vec<Vec<f64>>,
}

/// Samples the cores while a run goes on.
#[derive(Debug)]
pub(crate) struct CoreSampler {
    every: Duration,
    due: Instant,
    at: Instant,
    last: Vec<f64>,
    points: Vec<Vec<f64>>,
}

impl CoreSampler {
    /// Starts sampling now.
    pub(crate) fn new() -> CoreSampler {
        let now = Instant::now();
        CoreSampler {
            every: MIN_INTERVAL,
            due: now + MIN_INTERVAL,
            at: now,
            last: busy_seconds(),
            points: Vec::new(),
        }
    }

    /// Returns when the next sample is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Takes a sample.
    pub(crate) fn sample(&mut self) {
        let (now, seconds) = (Instant::now(), busy_seconds());
        let elapsed = now.duration_since(self.at);
        self.add(elapsed, &seconds);
        (self.at, self.last) = (now, seconds);
        self.due = now + self.every;
    }

    /// Adds a sample: `seconds` of busy time of each core, `elapsed` after the previous sample.
    fn add(&mut self, elapsed: Duration, seconds: &[f64]) {
        let length = elapsed.as_secs_f64().max(1e-9);
        let share = |(now, then): (&f64, &f64)| ((now - then) / length).clamp(0.0, 1.0);
        let busy: Vec<f64> = seconds.iter().zip(&self.last).map(share).collect();
        // A late sample stands for all points it missed.
        let missed =
            (length / self.every.as_secs_f64()).round().clamp(1.0, MAX_POINTS as f64) as usize;
        self.points.extend(std::iter::repeat_n(busy, missed));
        let max_points = (MAX_VALUES / seconds.len().max(1)).clamp(2, MAX_POINTS);
        while self.points.len() > max_points {
            let mean = |pair: &[Vec<f64>]| match pair {
                [a, b] => Some(a.iter().zip(b).map(|(a, b)| f64::midpoint(*a, *b)).collect()),
                // The last point of an odd number is half of a future point: it is dropped.
                _ => None,
            };
            self.points = self.points.chunks(2).filter_map(mean).collect();
            self.every = self.every.saturating_mul(2);
        }
    }

    /// Returns the points. `None` if the run ended before the first sample, or if the system does
    /// not report core times.
    pub(crate) fn end(self) -> Option<CoreUse> {
        let round = |share: &f64| (share * 100.0).round() / 100.0;
        let busy: Vec<Vec<f64>> =
            self.points.iter().map(|p| p.iter().map(round).collect()).collect();
        let has_points = busy.first().is_some_and(|p| !p.is_empty());
        has_points.then_some(CoreUse { every_s: self.every.as_secs_f64(), busy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples `cores` that are busy for `share` of each interval, `samples` times.
    fn sampled(cores: usize, samples: usize, share: f64) -> CoreUse {
        let mut sampler = CoreSampler::new();
        let mut seconds = vec![0.0; cores];
        sampler.last.clone_from(&seconds);
        for _ in 0..samples {
            let length = sampler.every;
            seconds.iter_mut().for_each(|s| *s += share * length.as_secs_f64());
            sampler.add(length, &seconds);
            sampler.last.clone_from(&seconds);
        }
        sampler.end().expect("points")
    }

    #[test]
    fn number_of_points_is_bounded_and_the_mean_is_kept() {
        for (cores, samples) in [(1, 1), (2, 199), (2, 2000), (16, 1000), (512, 60)] {
            let sampled = sampled(cores, samples, 0.25);
            assert!(
                sampled.busy.len() <= MAX_POINTS
                    && sampled.busy.len() * cores <= MAX_VALUES.max(2 * cores),
                "{cores} {samples}"
            );
            assert!(
                sampled
                    .busy
                    .iter()
                    .all(|p| p.len() == cores && p.iter().all(|s| (s - 0.25).abs() < 1e-9))
            );
        }
        assert_eq!(sampled(2, 10, 0.5).every_s, 0.1);
        assert!(sampled(2, 2000, 0.5).every_s > 0.1);
    }

    #[test]
    fn late_sample_fills_the_missed_points() {
        let mut sampler = CoreSampler::new();
        sampler.last = vec![0.0];
        sampler.add(Duration::from_millis(300), &[0.15]);
        assert_eq!(sampler.end().expect("points").busy, [[0.5], [0.5], [0.5]]);
        assert!(CoreSampler::new().end().is_none());
    }
}
