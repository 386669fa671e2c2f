//! Sums a wrapping counter over a window.
//!
//! A RAPL counter advances, wraps, or jumps (a reset on suspend, a reloaded driver). A wrap and a
//! jump can both go backwards, and a jump can also go forwards. They are distinguished by power:
//! after undoing a possible wrap, the advance must not need more power than the domain can draw. An
//! advance that needs more is a jump and invalidates the window.

use std::time::{Duration, Instant};

/// The energy of one count: `multiplier / 2^shift` microjoules, so that sums are integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Microjoules of `2^shift` counts.
    pub multiplier: u128,
    /// Binary fraction digits, at most 127.
    pub shift: u32,
}

impl Unit {
    /// The unit of powercap.
    pub const MICROJOULE: Self = Self { multiplier: 1, shift: 0 };
    /// The unit of NVML.
    pub const MILLIJOULE: Self = Self { multiplier: 1000, shift: 0 };

    /// Creates the unit of `joules` joules exactly: a float is an integer times a power of two, and
    /// perf's scale (2^-32 J for RAPL, `arch/x86/events/rapl.c`) is one. `None` unless `joules` is
    /// finite and between 2^-60 and 1000.
    #[must_use]
    pub fn from_joules(joules: f64) -> Option<Self> {
        // The bounds keep the shift below 128 bits and exclude subnormals; no sensor is near them.
        if !joules.is_finite() || joules < 2f64.powi(-60) || joules > 1000.0 {
            return None;
        }
        // IEEE 754 binary64: 11 bits of exponent (bias 1023), 52 of fraction below an implied one.
        let bits = joules.to_bits();
        let mantissa = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
        let exponent = i32::try_from((bits >> 52) & 0x7ff).ok()? - 1023 - 52;
        let zeros = mantissa.trailing_zeros();
        let (mantissa, exponent) = (mantissa >> zeros, exponent + i32::try_from(zeros).ok()?);
        let micro = mantissa.checked_mul(1_000_000)?;
        if exponent >= 0 {
            Some(Self { multiplier: micro << exponent, shift: 0 })
        } else {
            // If `micro` is even it shares factors of two with the denominator: cancelling them
            // keeps the products small.
            let down = u32::try_from(-exponent).ok()?;
            let common = micro.trailing_zeros().min(down);
            Some(Self { multiplier: micro >> common, shift: down - common })
        }
    }

    /// Converts `counts` to microjoules, rounded to nearest; `None` on overflow.
    #[must_use]
    pub fn microjoules(self, counts: u64) -> Option<u64> {
        let scaled = u128::from(counts).checked_mul(self.multiplier)?;
        if self.shift == 0 {
            return u64::try_from(scaled).ok();
        }
        let half = 1u128.checked_shl(self.shift - 1)?;
        u64::try_from(scaled.checked_add(half)?.checked_shr(self.shift)?).ok()
    }
}

/// The maximum power of a domain, to distinguish consumption from a jump.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Maximum plausible power in watts.
    pub watts: f64,
    /// Added to the time between two readings: counters are refreshed in steps, and a reading's
    /// timestamp may be late.
    pub slack: Duration,
}

impl Limit {
    /// Limit of one package, its memory or a GPU. The largest sockets and accelerators of 2026 use
    /// about 1 kW.
    pub const DOMAIN: Self = Self { watts: 2_000.0, slack: Duration::from_secs(5) };
    /// Limit of a platform of up to eight sockets.
    pub const PLATFORM: Self = Self { watts: 20_000.0, slack: Duration::from_secs(5) };

    /// Returns the maximum plausible microjoules in `elapsed`.
    #[must_use]
    pub fn microjoules(self, elapsed: Duration) -> f64 {
        self.watts * (elapsed + self.slack).as_secs_f64() * 1e6
    }
}

/// The reason why an advance is not plausible; the text contains the numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Jump(pub String);

/// A counter summed over a window. The sum is kept in counts and converted once, so that rounding
/// happens once.
#[derive(Debug, Clone)]
pub struct Counter {
    unit: Unit,
    range: Option<u64>,
    limit: Limit,
    last: Option<(u64, Instant)>,
    counts: u64,
}

impl Counter {
    /// Creates a counter whose counts are worth `unit` each. `range` is added after a wrap; without
    /// it any step backwards is a jump.
    ///
    /// For powercap, `range` is `max_energy_range_uj` and a wrapped advance is `new + range - old`,
    /// as in codecarbon, pyJoules, Zeus and powerjoular. The kernel computes `energy_uj` as a
    /// 32-bit raw count times the unit and `max_energy_range_uj` as the largest raw count times the
    /// unit (`drivers/powercap/intel_rapl_common.c`), so the true period is one hardware unit (15
    /// or 61 microjoules) longer than the range. That unit is not in sysfs; `range + 1` would be
    /// correct only for a unit of one microjoule. The result is therefore too low by one step of
    /// the counter per wrap: 61 microjoules in 262 kilojoules.
    #[must_use]
    pub fn new(unit: Unit, range: Option<u64>, limit: Limit) -> Self {
        Self { unit, range, limit, last: None, counts: 0 }
    }

    /// Opens a window with the value `raw` read at `now`.
    pub fn start(&mut self, raw: u64, now: Instant) {
        self.last = Some((raw, now));
        self.counts = 0;
    }

    /// Adds what was used since the last reading.
    ///
    /// # Errors
    /// If the step is neither consumption nor a wrap. The sum is then unchanged and the window is
    /// invalid.
    pub fn advance(&mut self, raw: u64, now: Instant) -> Result<(), Jump> {
        let Some((old, then)) = self.last else {
            self.start(raw, now);
            return Ok(());
        };
        let elapsed = now.saturating_duration_since(then);
        let secs = elapsed.as_secs_f64();
        let step = match raw.checked_sub(old) {
            Some(step) => step,
            None => match self.range {
                None => {
                    return Err(Jump(format!(
                        "it went back from {old} to {raw}, and its range is not known"
                    )));
                }
                // Both values can lie above the range only if the range is wrong; then the step is
                // meaningless.
                Some(range) => {
                    match range.checked_sub(old).and_then(|rest| rest.checked_add(raw)) {
                        Some(step) => step,
                        None => {
                            return Err(Jump(format!(
                                "it went back from {old} to {raw}, and {old} is above its own range of {range}"
                            )));
                        }
                    }
                }
            },
        };
        let wrapped = raw < old;
        let spent = self.unit.microjoules(step);
        let max = self.limit.microjoules(elapsed);
        // This is only a plausibility check: the float does not enter the sum.
        #[allow(clippy::cast_precision_loss)]
        let plausible = spent.is_some_and(|uj| uj as f64 <= max);
        if !plausible {
            let how = if wrapped { "backwards, which as a wrap" } else { "forwards, which" };
            let joules = max / 1e6;
            return Err(Jump(format!(
                "from {old} to {raw} in {secs:.3} s: {how} needs more than the {joules:.0} J possible at {:.0} W",
                self.limit.watts
            )));
        }
        let Some(sum) = self.counts.checked_add(step) else {
            return Err(Jump(format!("the window's sum no longer fits: {} + {step}", self.counts)));
        };
        self.counts = sum;
        self.last = Some((raw, now));
        Ok(())
    }

    /// Returns the microjoules used since [`Counter::start`]; `None` if they do not fit 64 bits.
    #[must_use]
    pub fn microjoules(&self) -> Option<u64> {
        self.unit.microjoules(self.counts)
    }
}
