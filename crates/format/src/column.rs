//! The unit of a table column.

use crate::{Units, digits};

/// One unit for all values of a table column, so that the unit stands in the heading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnUnit {
    size: f64,
    symbol: &'static str,
}

impl ColumnUnit {
    /// A column of bare numbers.
    pub const NONE: ColumnUnit = ColumnUnit { size: 1.0, symbol: "" };

    /// A column of shares of 1, in percent.
    pub const PERCENT: ColumnUnit = ColumnUnit { size: 0.01, symbol: "%" };

    /// Chooses the largest unit in which the largest value is at least 1 and the smallest still has
    /// two significant digits (0.10). A unit in which a value would have more than six digits
    /// before the point is too small.
    #[must_use]
    pub fn choose(values: impl IntoIterator<Item = f64>, units: Units) -> ColumnUnit {
        let positive = values.into_iter().map(f64::abs).filter(|v| *v > 0.0 && v.is_finite());
        let (min, max) =
            positive.fold((f64::INFINITY, 0.0), |(min, max), v| (v.min(min), v.max(max)));
        let unit = if max == 0.0 {
            units.iter().find(|(size, _)| *size == 1.0)
        } else {
            let fits = |size: f64| max >= size * 0.9995 && min >= size * 0.095;
            let at = units.iter().position(|(size, _)| fits(*size)).unwrap_or(units.len());
            let candidates = units.get(..=at).unwrap_or(units);
            candidates.iter().rev().find(|(size, _)| max < size * 1e6).or(units.first())
        };
        let (size, symbol) = unit.or(units.last()).copied().unwrap_or((1.0, ""));
        ColumnUnit { size, symbol }
    }

    /// Returns the column's heading: `time ms`, or `cores` without a unit.
    #[must_use]
    pub fn heading(&self, title: &str) -> String {
        if self.symbol.is_empty() { title.into() } else { format!("{title} {}", self.symbol) }
    }

    /// Formats a value in this unit, without the unit. A value below 0.1 keeps two significant
    /// digits, so that it is not rounded to zero.
    #[must_use]
    pub fn format(&self, value: f64) -> String {
        let value = value / self.size;
        match value.abs() {
            v if v > 0.0 && v < 0.000_001 => "<0.000001".into(),
            v if v > 0.0 && v < 0.0995 => {
                let decimals = (1.0 - v.log10().floor()) as usize;
                format!("{value:.0$}", decimals.min(6))
            }
            _ => digits(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BYTE_UNITS, TIME_UNITS};

    fn column(values: &[f64], units: Units) -> Vec<String> {
        let unit = ColumnUnit::choose(values.iter().copied(), units);
        let heading = [unit.heading("x")].into_iter();
        heading.chain(values.iter().map(|v| unit.format(*v))).collect()
    }

    #[test]
    fn one_unit_fits_all_values() {
        assert_eq!(column(&[0.0456, 0.312], TIME_UNITS), ["x ms", "45.6", "312"]);
        assert_eq!(column(&[0.49, 1.2], TIME_UNITS), ["x s", "0.49", "1.20"]);
        assert_eq!(column(&[0.02, 12.0], TIME_UNITS), ["x ms", "20.0", "12000"]);
        assert_eq!(column(&[125.0, 4000.0], TIME_UNITS), ["x s", "125", "4000"]);
        let mib = 1_048_576.0;
        assert_eq!(column(&[100.0 * mib, 900.0 * mib], BYTE_UNITS), ["x MiB", "100", "900"]);
        assert_eq!(column(&[8.0 * mib, 12_288.0 * mib], BYTE_UNITS), ["x MiB", "8.00", "12288"]);
    }

    #[test]
    fn no_value_is_rounded_to_zero_and_zero_is_zero() {
        assert_eq!(column(&[0.0, 0.0], TIME_UNITS), ["x s", "0", "0"]);
        assert_eq!(column(&[0.0, 0.003], TIME_UNITS), ["x ms", "0", "3.00"]);
        assert_eq!(column(&[1e-6, 3000.0], TIME_UNITS), ["x s", "0.000001", "3000"]);
        assert_eq!(column(&[2e-9, 3000.0], TIME_UNITS), ["x s", "<0.000001", "3000"]);
        assert_eq!(ColumnUnit::NONE.format(0.0123), "0.012");
        assert_eq!(ColumnUnit::PERCENT.format(0.271), "27.1");
        assert_eq!(column(&[], TIME_UNITS), ["x s"]);
    }
}
