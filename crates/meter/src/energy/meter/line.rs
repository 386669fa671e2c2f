//! Parses a line of an external meter: a number and a unit.

/// The value of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// Current power in watts.
    Watts(f64),
    /// Cumulative energy in joules.
    Joules(f64),
}

/// The known units. Case matters: mJ is not MJ.
const UNITS: [(&str, Value); 12] = [
    ("uW", Value::Watts(1e-6)),
    ("mW", Value::Watts(1e-3)),
    ("W", Value::Watts(1.0)),
    ("kW", Value::Watts(1e3)),
    ("uJ", Value::Joules(1e-6)),
    ("mJ", Value::Joules(1e-3)),
    ("J", Value::Joules(1.0)),
    ("kJ", Value::Joules(1e3)),
    ("MJ", Value::Joules(1e6)),
    ("mWh", Value::Joules(3.6)),
    ("Wh", Value::Joules(3600.0)),
    ("kWh", Value::Joules(3.6e6)),
];

/// Maximum plausible value: a number above a gigawatt, or above the joules that a float represents
/// to the microjoule, is an error of the meter.
const MAX_VALUE: f64 = 9e9;

/// Parses `12.5 W` or `1234.5J`. `None` for anything else: a negative or non-finite number, another
/// unit, more words.
pub(super) fn parse(line: &[u8]) -> Option<Value> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let unit_at = line.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = line.split_at(unit_at);
    let number: f64 = number.parse().ok()?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    let scaled = |factor: f64| {
        // Division for fractional units: 1500 mJ is then exactly 1.5, which 1500 * 0.001 need not
        // be.
        let value = if factor < 1.0 { number / factor.recip().round() } else { number * factor };
        (0.0..=MAX_VALUE).contains(&value).then_some(value)
    };
    match factor {
        Value::Watts(factor) => scaled(*factor).map(Value::Watts),
        Value::Joules(factor) => scaled(*factor).map(Value::Joules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_units() {
        for (line, value) in [
            ("12.5 W", Value::Watts(12.5)),
            ("12.5W\n", Value::Watts(12.5)),
            ("  0.25 kW \r\n", Value::Watts(250.0)),
            ("1500 mW", Value::Watts(1.5)),
            ("1234.5 J", Value::Joules(1234.5)),
            ("1500 mJ", Value::Joules(1.5)),
            ("2500000 uJ", Value::Joules(2.5)),
            ("2 kJ", Value::Joules(2000.0)),
            ("2 Wh", Value::Joules(7200.0)),
            ("1 kWh", Value::Joules(3_600_000.0)),
            ("1e3 W", Value::Watts(1000.0)),
        ] {
            assert_eq!(parse(line.as_bytes()), Some(value), "{line:?}");
        }
    }

    #[test]
    fn rejects_other_lines() {
        for line in [
            "",
            "W",
            "12.5",
            "12.5 w",
            "-1 W",
            "NaN W",
            "inf J",
            "12,5 W",
            "power: 12.5 W",
            "12.5 W ok",
            "1 2 W",
            "1e300 J",
            "12.5 V",
            ". W",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(parse(b"\xff\xfe 1 W"), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn parses_printed_watts(watts in 0u32..2_000_000) {
            let line = format!("{}.{:03} W", watts / 1000, watts % 1000);
            prop_assert_eq!(parse(line.as_bytes()), Some(Value::Watts(f64::from(watts) / 1000.0)));
        }
    }
}
