//! One counter that wraps, summed over a window.
//!
//! Every tool that reads RAPL meets the same three events: the counter advances, it wraps, or it
//! jumps (a reset on suspend, a reloaded driver). All three look like two numbers, and a wrap and a
//! jump both go backwards. What tells them apart is physics: after the wrap is undone, the advance
//! must need no more power than the domain can draw. An advance that needs more is a jump and voids
//! the window, forwards as well as backwards.

use std::time::{Duration, Instant};

/// What one count is worth: `multiplier / 2^shift` microjoules, so that sums stay integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Microjoules of `2^shift` counts.
    pub multiplier: u128,
    /// Binary places of the fraction, at most 127.
    pub shift: u32,
}

impl Unit {
    /// Powercap's unit.
    pub const MICROJOULE: Self = Self { multiplier: 1, shift: 0 };
    /// NVML's unit.
    pub const MILLIJOULE: Self = Self { multiplier: 1000, shift: 0 };

    /// The unit that is `joules` joules, kept exactly: a float is an integer times a power of two,
    /// and perf's scale (2^-32 J for RAPL, `arch/x86/events/rapl.c`) is one. `None` if it is not
    /// positive, finite, at most 1000 J and at least 2^-60 J.
    #[must_use]
    pub fn from_joules(joules: f64) -> Option<Self> {
        // The bound keeps the shift below 128 bits and rules out subnormals; no sensor is near it.
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
            // An even `micro` shares factors of two with the denominator: take them out, the
            // products stay small.
            let down = u32::try_from(-exponent).ok()?;
            let common = micro.trailing_zeros().min(down);
            Some(Self { multiplier: micro >> common, shift: down - common })
        }
    }

    /// Microjoules of `counts`, rounded to the nearest; `None` if that does not fit.
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

/// How much a domain can spend, to tell consumption from a jump.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The most power that is believed, in watts.
    pub watts: f64,
    /// Added to the time between two looks: counters refresh in steps, and a look may come late
    /// after its number.
    pub slack: Duration,
}

impl Limit {
    /// One package, its memory or a GPU. The largest sockets and accelerators of 2026 stay near 1
    /// kW.
    pub const DOMAIN: Self = Self { watts: 2_000.0, slack: Duration::from_secs(5) };
    /// A whole platform of up to eight sockets.
    pub const PLATFORM: Self = Self { watts: 20_000.0, slack: Duration::from_secs(5) };

    /// The most microjoules that are believed in `elapsed`.
    #[must_use]
    pub fn microjoules(self, elapsed: Duration) -> f64 {
        self.watts * (elapsed + self.slack).as_secs_f64() * 1e6
    }
}

/// Why an advance cannot be believed; the text names the numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Jump(pub String);

/// A counter summed over a window, in its own unit until it is read out, so that rounding happens
/// once.
#[derive(Debug, Clone)]
pub struct Counter {
    unit: Unit,
    range: Option<u64>,
    limit: Limit,
    last: Option<(u64, Instant)>,
    counts: u64,
}

impl Counter {
    /// A counter whose numbers are worth `unit` each. `range` is what is added when it has wrapped;
    /// without it any step backwards is a jump.
    ///
    /// For powercap, `range` is `max_energy_range_uj` and a wrapped advance is `new + range - old`,
    /// as in codecarbon, pyJoules, Zeus and powerjoular. The kernel computes `energy_uj` as a
    /// 32-bit raw count times the unit and `max_energy_range_uj` as the largest raw count times the
    /// unit (`drivers/powercap/intel_rapl_common.c`), so the true period is one hardware unit (15
    /// or 61 microjoules) longer than the range. That unit is not in sysfs; `range + 1` would be
    /// right only for a unit of one microjoule. The formula taken is therefore low by one step of
    /// the counter per wrap: 61 microjoules in 262 kilojoules.
    #[must_use]
    pub fn new(unit: Unit, range: Option<u64>, limit: Limit) -> Self {
        Self { unit, range, limit, last: None, counts: 0 }
    }

    /// Opens a window at the value `raw` seen at `now`.
    pub fn start(&mut self, raw: u64, now: Instant) {
        self.last = Some((raw, now));
        self.counts = 0;
    }

    /// Adds what was spent since the last look.
    ///
    /// # Errors
    /// When the step is neither consumption nor a wrap. The sum is then unchanged and the window
    /// must be given up.
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
                        "it went back from {old} to {raw} and has no known range to wrap at"
                    )));
                }
                // Both may only lie above the range if the range is wrong; then nothing can be said
                // of the step.
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
        let most = self.limit.microjoules(elapsed);
        // The comparison is only a bound on what is plausible: the float never enters the sum.
        #[allow(clippy::cast_precision_loss)]
        let believed = spent.is_some_and(|uj| uj as f64 <= most);
        if !believed {
            let how = if wrapped { "back, which as a wrap" } else { "forward, which" };
            let joules = most / 1e6;
            return Err(Jump(format!(
                "from {old} to {raw} in {secs:.3} s: {how} needs more than the {joules:.0} J that {:.0} W could give",
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

    /// What was spent since [`Counter::start`], in microjoules; `None` if that does not fit 64
    /// bits.
    #[must_use]
    pub fn microjoules(&self) -> Option<u64> {
        self.unit.microjoules(self.counts)
    }
}
