//! How busy each core was over the time of a run: what a mean hides, such as a tail in which one
//! worker is left alone.
//!
//! Bounded however long a run is: when there are too many points, each two become one of twice the
//! length. `/proc/stat` counts in ticks of 10 ms, so a point is never shorter than ten of them.

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use ungil_meter::machine::busy_seconds;

/// Length of the first points.
const SHORTEST: Duration = Duration::from_millis(100);
/// Most points of a run.
const MOST: usize = 200;
/// Most figures of a run, all cores together.
const FIGURES: usize = 3200;

/// The cores' use over the time of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoreUse {
    /// Seconds that a point covers; the first begins with the process.
    pub every_s: f64,
    /// For each point the share of it that each core was busy, 0 to 1, whoever kept it busy; two
    /// digits.
    pub busy: Vec<Vec<f64>>,
}

/// Looks at the cores while a run goes on.
#[derive(Debug)]
pub(crate) struct Watch {
    every: Duration,
    due: Instant,
    at: Instant,
    last: Vec<f64>,
    points: Vec<Vec<f64>>,
}

impl Watch {
    /// Begins now.
    pub(crate) fn new() -> Watch {
        let now = Instant::now();
        Watch {
            every: SHORTEST,
            due: now + SHORTEST,
            at: now,
            last: busy_seconds(),
            points: Vec::new(),
        }
    }

    /// When to look next.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Looks.
    pub(crate) fn look(&mut self) {
        let (now, seconds) = (Instant::now(), busy_seconds());
        let gone = now.duration_since(self.at);
        self.take(gone, &seconds);
        (self.at, self.last) = (now, seconds);
        self.due = now + self.every;
    }

    /// Takes in `seconds` of busy time of each core, `gone` after the last.
    fn take(&mut self, gone: Duration, seconds: &[f64]) {
        let length = gone.as_secs_f64().max(1e-9);
        let share = |(now, then): (&f64, &f64)| ((now - then) / length).clamp(0.0, 1.0);
        let busy: Vec<f64> = seconds.iter().zip(&self.last).map(share).collect();
        // A look that came late stands for all the points it missed.
        let missed = (length / self.every.as_secs_f64()).round().clamp(1.0, MOST as f64) as usize;
        self.points.extend(std::iter::repeat_n(busy, missed));
        let most = (FIGURES / seconds.len().max(1)).clamp(2, MOST);
        while self.points.len() > most {
            let mean = |pair: &[Vec<f64>]| match pair {
                [a, b] => Some(a.iter().zip(b).map(|(a, b)| f64::midpoint(*a, *b)).collect()),
                // An odd last point is half of one that is to come: let it go.
                _ => None,
            };
            self.points = self.points.chunks(2).filter_map(mean).collect();
            self.every = self.every.saturating_mul(2);
        }
    }

    /// What was seen; `None` of a run that ended before the first look, or where the system does
    /// not say.
    pub(crate) fn end(self) -> Option<CoreUse> {
        let round = |share: &f64| (share * 100.0).round() / 100.0;
        let busy: Vec<Vec<f64>> =
            self.points.iter().map(|p| p.iter().map(round).collect()).collect();
        let there = busy.first().is_some_and(|p| !p.is_empty());
        there.then_some(CoreUse { every_s: self.every.as_secs_f64(), busy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch over `cores` that are busy for `share` of each 100 ms, `looks` times.
    fn watched(cores: usize, looks: usize, share: f64) -> CoreUse {
        let mut watch = Watch::new();
        let mut seconds = vec![0.0; cores];
        watch.last.clone_from(&seconds);
        for _ in 0..looks {
            let length = watch.every;
            seconds.iter_mut().for_each(|s| *s += share * length.as_secs_f64());
            watch.take(length, &seconds);
            watch.last.clone_from(&seconds);
        }
        watch.end().expect("points")
    }

    #[test]
    fn it_stays_bounded_and_keeps_the_mean() {
        for (cores, looks) in [(1, 1), (2, 199), (2, 2000), (16, 1000), (512, 60)] {
            let seen = watched(cores, looks, 0.25);
            assert!(
                seen.busy.len() <= MOST && seen.busy.len() * cores <= FIGURES.max(2 * cores),
                "{cores} {looks}"
            );
            assert!(
                seen.busy
                    .iter()
                    .all(|p| p.len() == cores && p.iter().all(|s| (s - 0.25).abs() < 1e-9))
            );
        }
        assert_eq!(watched(2, 10, 0.5).every_s, 0.1);
        assert!(watched(2, 2000, 0.5).every_s > 0.1);
    }

    #[test]
    fn a_late_look_stands_for_what_it_missed() {
        let mut watch = Watch::new();
        watch.last = vec![0.0];
        watch.take(Duration::from_millis(300), &[0.15]);
        assert_eq!(watch.end().expect("points").busy, [[0.5], [0.5], [0.5]]);
        assert!(Watch::new().end().is_none());
    }
}
