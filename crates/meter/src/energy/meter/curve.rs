//! Turns timestamped readings into the joules of a window.
//!
//! Watts and joules both become a curve of joules over time, known at the readings. Watts are
//! integrated by trapezoids. Between two readings the curve is interpolated (power linearly, or
//! energy linearly); outside of them the last watts are held, and joules stay at the nearest
//! reading. Only the latest reading and those around the two edges of the window are kept, so a
//! window may have any length.

use super::line::Value;
use std::time::{Duration, Instant};

/// A point of the curve.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    /// Joules since the first reading (for watts), or as the meter counts them (for joules).
    joules: f64,
    /// Power at this point, if the meter gives power.
    watts: Option<f64>,
}

/// An edge of the window and the readings before and after it.
#[derive(Debug, Clone, Copy)]
struct Edge {
    at: Instant,
    left: Option<Sample>,
    right: Option<Sample>,
}

impl Edge {
    fn offer(&mut self, sample: Sample) {
        if sample.at <= self.at {
            self.left = Some(sample);
        } else {
            self.right.get_or_insert(sample);
        }
    }

    /// Returns the joules at the edge.
    fn joules(&self) -> Option<f64> {
        match (self.left, self.right) {
            (Some(a), Some(b)) => {
                let whole = b.at.duration_since(a.at).as_secs_f64();
                let part = self.at.duration_since(a.at).as_secs_f64();
                let share = if whole > 0.0 { part / whole } else { 0.0 };
                Some(match (a.watts, b.watts) {
                    (Some(before), Some(after)) => {
                        let here = before + (after - before) * share;
                        a.joules + (before + here) / 2.0 * part
                    }
                    _ => a.joules + (b.joules - a.joules) * share,
                })
            }
            (Some(a), None) => {
                Some(a.joules + a.watts.unwrap_or(0.0) * self.at.duration_since(a.at).as_secs_f64())
            }
            (None, Some(b)) => {
                Some(b.joules - b.watts.unwrap_or(0.0) * b.at.duration_since(self.at).as_secs_f64())
            }
            (None, None) => None,
        }
    }
}

/// The reason why there is no figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// The meter's joules went back.
    Jumped(String),
    /// Too few readings.
    Silent(String),
}

/// The curve and the current window.
#[derive(Debug, Default)]
pub(super) struct Curve {
    first: Option<Instant>,
    last: Option<Sample>,
    readings: u64,
    longest: Duration,
    /// Number of readings of the other quantity. If a meter prints both, only the quantity that
    /// came first is used.
    other: u64,
    begin: Option<Edge>,
    close: Option<Edge>,
    jumped: Option<String>,
}

impl Curve {
    /// Adds a reading. Times must not decrease.
    pub(super) fn push(&mut self, at: Instant, value: Value) {
        let sample = match (value, self.last) {
            (Value::Watts(watts), None) => Sample { at, joules: 0.0, watts: Some(watts) },
            (Value::Joules(joules), None) => Sample { at, joules, watts: None },
            (Value::Watts(watts), Some(Sample { at: then, joules, watts: Some(before) })) => {
                let joules =
                    joules + (before + watts) / 2.0 * at.duration_since(then).as_secs_f64();
                Sample { at, joules, watts: Some(watts) }
            }
            (Value::Joules(joules), Some(Sample { joules: before, watts: None, .. })) => {
                if joules < before && self.begin.is_some() {
                    self.jumped.get_or_insert(format!(
                        "the meter's joules went back from {before} to {joules}"
                    ));
                }
                Sample { at, joules, watts: None }
            }
            _ => {
                self.other += 1;
                return;
            }
        };
        if let Some(last) = self.last {
            self.longest = self.longest.max(at.duration_since(last.at));
        }
        self.first.get_or_insert(at);
        self.readings += 1;
        self.last = Some(sample);
        for edge in [&mut self.begin, &mut self.close].into_iter().flatten() {
            edge.offer(sample);
        }
    }

    /// Opens a window at `at`.
    pub(super) fn begin(&mut self, at: Instant) {
        self.begin = Some(Edge { at, left: self.last, right: None });
        self.close = None;
        self.jumped = None;
    }

    /// Closes the window at `at`. Readings are still accepted until [`Curve::finish`].
    pub(super) fn close(&mut self, at: Instant) {
        self.close = Some(Edge { at, left: self.last, right: None });
    }

    /// Returns whether there is a reading after the end of the window.
    pub(super) fn bracketed(&self) -> bool {
        self.close.is_some_and(|close| close.right.is_some())
    }

    /// Ends the window and returns its joules. `timeout` is the maximum age of the last reading at
    /// the end of the window, if no reading came after it.
    pub(super) fn finish(&mut self, timeout: Duration) -> Result<f64, Fault> {
        let silent = |why: String| Err(Fault::Silent(why));
        let (Some(begin), Some(close)) = (self.begin.take(), self.close.take()) else {
            return silent("no window is open".to_owned());
        };
        if let Some(why) = self.jumped.take() {
            return Err(Fault::Jumped(why));
        }
        // The samples at the edges suffice: a reading inside the window is to the right of its
        // start.
        let inside = begin.right.is_some_and(|sample| sample.at <= close.at);
        let around = begin.left.is_some() && close.right.is_some();
        let (Some(from), Some(to)) = (begin.joules(), close.joules()) else {
            return silent("it has not printed a reading yet".to_owned());
        };
        if !inside && !around {
            return silent(
                "there is no reading in the window, and not one on both sides of it".to_owned(),
            );
        }
        let behind = close.left.map(|sample| close.at.duration_since(sample.at));
        if let (None, Some(behind)) = (close.right, behind)
            && behind > timeout
        {
            return silent(format!(
                "the last reading is {:.1} s older than the window's end",
                behind.as_secs_f64()
            ));
        }
        let joules_only = close.left.or(close.right).is_some_and(|sample| sample.watts.is_none());
        // A cumulative meter needs two readings to form a difference.
        let mut times =
            [begin.left, begin.right, close.left, close.right].into_iter().flatten().map(|s| s.at);
        let one = times.next();
        if joules_only && times.all(|at| Some(at) == one) {
            return silent(
                "there is one reading of joules, but two are needed for a difference".to_owned(),
            );
        }
        // Held watts and interpolation can make it negative only by a rounding error.
        Ok((to - from).max(0.0))
    }

    /// Returns the number of readings.
    pub(super) fn readings(&self) -> u64 {
        self.readings
    }

    /// Returns the number of ignored readings of the other quantity.
    pub(super) fn other(&self) -> u64 {
        self.other
    }

    /// Returns the longest time between two readings.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// Returns the quantity (`watts` or `joules`) and the mean seconds between readings.
    pub(super) fn resolution(&self) -> Option<(&'static str, f64)> {
        let (first, last) = (self.first?, self.last?);
        if self.readings < 2 {
            return None;
        }
        #[allow(clippy::cast_precision_loss)] // a count of lines
        let mean = last.at.duration_since(first).as_secs_f64() / (self.readings - 1) as f64;
        Some((if last.watts.is_some() { "watts" } else { "joules" }, mean))
    }
}

#[cfg(test)]
mod tests;
