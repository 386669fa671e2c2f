//! Numbers and tables as text, formatted the same way in every crate. Measured values have three
//! significant digits; exact counts have all of theirs.

mod column;
mod size;
mod table;
mod wrap;

pub use column::ColumnUnit;
pub use size::parse_bytes;
pub use table::{Align, Fitted, TextTable};
pub use wrap::{truncate, wrap, wrap_beside};

/// Units of a quantity, the largest first, each with its size in the base unit.
pub type Units = &'static [(f64, &'static str)];

/// Units of a duration in seconds.
pub const TIME_UNITS: Units = &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
/// Units of a size in bytes.
pub const BYTE_UNITS: Units = &[
    (1_099_511_627_776.0, "TiB"),
    (1_073_741_824.0, "GiB"),
    (1_048_576.0, "MiB"),
    (1024.0, "KiB"),
    (1.0, "B"),
];
/// Units of an energy in joules.
pub const ENERGY_UNITS: Units = &[(1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")];
/// Units of a power in watts.
pub const POWER_UNITS: Units = &[(1e3, "kW"), (1.0, "W"), (1e-3, "mW")];
/// Units of a sampling frequency in hertz.
pub const FREQUENCY_UNITS: Units = &[(1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz")];

/// Formats a measured value with three significant digits and no exponent: `0.95`, `45.6`, `1234`.
#[must_use]
pub fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Formats a measured value without a unit: `0.95`, `1234`, `41.2 k`, `1.50 M`.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{} M", digits(value / 1e6)),
        v if v >= 1e4 => format!("{} k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// Formats an exact count with thousands separators: `1,234,567`.
#[must_use]
pub fn grouped(count: impl TryInto<u64>) -> String {
    let digits = count.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats an exact count with its noun: `1 thread`, `0 threads`, `2 processes`, `1,234 objects`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, singular: &str) -> String {
    match grouped(count) {
        one if one == "1" => format!("1 {singular}"),
        many => format!("{many} {}", plural(singular)),
    }
}

/// Returns the plural of a regular noun.
fn plural(singular: &str) -> String {
    let before_y =
        singular.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match before_y {
        Some(stem) => format!("{stem}ies"),
        None if singular.ends_with(['s', 'x', 'z'])
            || singular.ends_with("ch")
            || singular.ends_with("sh") =>
        {
            format!("{singular}es")
        }
        None => format!("{singular}s"),
    }
}

/// Formats a duration in seconds: `12.3 ms`, `1.23 s`, `2 min 5 s`, `1 h 15 min`. From 100 s on,
/// minutes and seconds are as precise as three digits.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let (whole, minutes) = (seconds.round() as u64, (seconds / 60.0).round() as u64);
    match seconds {
        s if s >= 3599.5 => format!("{} h {} min", minutes / 60, minutes % 60),
        s if s >= 99.95 => format!("{} min {} s", whole / 60, whole % 60),
        s => scaled(s, TIME_UNITS),
    }
}

/// Formats a size in bytes with binary units: `999 B`, `64.0 KiB`, `1.50 GiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => scaled(bytes as f64, BYTE_UNITS),
    }
}

/// Formats an energy in joules: `2.77 J`, `656 mJ`.
#[must_use]
pub fn energy(joules: f64) -> String {
    scaled(joules, ENERGY_UNITS)
}

/// Formats a power in watts: `12.3 W`, `740 mW`.
#[must_use]
pub fn power(watts: f64) -> String {
    scaled(watts, POWER_UNITS)
}

/// Formats a sampling frequency in hertz: `49.8 Hz`, `1.00 kHz`.
#[must_use]
pub fn frequency(hertz: f64) -> String {
    scaled(hertz, FREQUENCY_UNITS)
}

/// Formats a number of events per second: `1500/s`, `41.2 k/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// Formats a share of 1 in percent: `27.1 %`. A share that is not 0 or 1 is never rounded to 0 % or
/// 100 %: `<0.01 %`, `>99.9 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p > 0.0 && p < 0.01 => "<0.01 %".into(),
        p if p > 99.9 && p < 100.0 => ">99.9 %".into(),
        p => format!("{} %", digits(p)),
    }
}

/// Formats a ratio: `1.16`, `12.3`. A small ratio is a fraction, so that it is not rounded to zero:
/// `1/12.3`.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    if ratio > 0.0 && ratio < 0.095 { format!("1/{}", digits(1.0 / ratio)) } else { digits(ratio) }
}

/// Formats the interval of a ratio: `1.10–1.21`.
#[must_use]
pub fn interval(low: f64, high: f64) -> String {
    format!("{}–{}", ratio(low), ratio(high))
}

/// Formats a value in the largest of `units` that it reaches after rounding. Zero is in the base
/// unit.
fn scaled(value: f64, units: Units) -> String {
    let magnitude = if value == 0.0 { 1.0 } else { value.abs() };
    let reached = units.iter().find(|(size, _)| magnitude >= size * 0.9995).or(units.last());
    reached.map_or_else(|| digits(value), |(size, unit)| format!("{} {unit}", digits(value / size)))
}

#[cfg(test)]
mod tests;
