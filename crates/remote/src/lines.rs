//! Which line an instruction belongs to: CPython's location table, one entry a run of instructions.
//!
//! Format: CPython's `InternalDocs/code_objects.md` (3.11 and later). Each entry starts with a byte
//! that has its top bit set; bits 3 to 6 are its kind, bits 0 to 2 its length in code units less
//! one.

/// The line of every instruction of a code object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// First code unit of a run, and its line. Ascending.
    runs: Vec<(u32, Option<u32>)>,
    /// Code units the table covers.
    units: u32,
}

impl Lines {
    /// Decodes a table. What does not follow the format ends it: the instructions from there on
    /// have no line.
    #[must_use]
    pub fn decode(table: &[u8], first_line: u32) -> Lines {
        let mut bytes = table.iter().copied().peekable();
        let mut line = i64::from(first_line);
        let mut unit: u32 = 0;
        let mut runs: Vec<(u32, Option<u32>)> = Vec::new();
        while let Some(head) = bytes.next() {
            if head & 0x80 == 0 {
                break;
            }
            let mut moved = 0;
            let known = match (head >> 3) & 15 {
                15 => false,
                14 => {
                    moved = signed(&mut bytes);
                    true
                }
                13 => {
                    moved = signed(&mut bytes);
                    true
                }
                kind @ 10..=12 => {
                    moved = i64::from(kind) - 10;
                    true
                }
                _ => true,
            };
            line = line.saturating_add(moved);
            let here = if known { u32::try_from(line).ok() } else { None };
            if runs.last().is_none_or(|&(_, last)| last != here) {
                runs.push((unit, here));
            }
            unit = unit.saturating_add(u32::from(head & 7) + 1);
            // Columns are not wanted: on to the next head.
            while bytes.next_if(|byte| byte & 0x80 == 0).is_some() {}
        }
        Lines { runs, units: unit }
    }

    /// The line of a code unit, where it has one.
    #[must_use]
    pub fn at(&self, unit: u32) -> Option<u32> {
        if unit >= self.units {
            return None;
        }
        let after = self.runs.partition_point(|&(start, _)| start <= unit);
        self.runs.get(after.checked_sub(1)?).and_then(|&(_, line)| line)
    }

    /// Code units the table covers.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.units
    }
}

/// A number of six bits a byte, least first; bit 6 says that more follow.
fn unsigned(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let mut value = 0;
    for shift in (0..60).step_by(6) {
        let Some(byte) = bytes.next() else { break };
        value |= u64::from(byte & 63) << shift;
        if byte & 64 == 0 {
            break;
        }
    }
    value
}

/// A number with its sign in the lowest bit.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> i64 {
    let value = unsigned(bytes);
    let size = i64::try_from(value >> 1).unwrap_or(i64::MAX);
    if value & 1 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_entry() {
        // Two units on the first line, one two lines on with columns, one without a line, one back
        // by 65 in the long form.
        let table = [
            0x80 | (13 << 3) | 1,
            0,
            0x80 | (12 << 3),
            1,
            2,
            0x80 | (15 << 3),
            0xf0,
            0x40 | 3,
            2,
            0,
            1,
            1,
        ];
        let lines = Lines::decode(&table, 100);
        let got: Vec<_> = (0..6).map(|unit| lines.at(unit)).collect();
        assert_eq!(got, [Some(100), Some(100), Some(102), None, Some(37), None]);
        assert_eq!(lines.units(), 5);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(table: Vec<u8>, first: u32, unit: u32) {
            let _ = Lines::decode(&table, first).at(unit);
        }
    }
}
