//! Maps instructions to source lines with CPython's location table.
//!
//! Format: CPython's `InternalDocs/code_objects.md` (3.11 and later). Each entry starts with a byte
//! whose top bit is set. Bits 3 to 6 are the entry's code, bits 0 to 2 its length in code units
//! minus one.

/// The line of every instruction of a code object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineTable {
    /// First code unit and line of each run of instructions, ascending.
    runs: Vec<(u32, Option<u32>)>,
    /// Number of code units that the table covers.
    units: u32,
}

impl LineTable {
    /// Decodes a location table. Decoding stops at the first invalid entry; instructions from there
    /// on have no line.
    #[must_use]
    pub fn decode(table: &[u8], first_line: u32) -> LineTable {
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
            // Skip the column information.
            while bytes.next_if(|byte| byte & 0x80 == 0).is_some() {}
        }
        LineTable { runs, units: unit }
    }

    /// Returns the line of a code unit, if it has one.
    #[must_use]
    pub fn at(&self, unit: u32) -> Option<u32> {
        if unit >= self.units {
            return None;
        }
        let after = self.runs.partition_point(|&(start, _)| start <= unit);
        self.runs.get(after.checked_sub(1)?).and_then(|&(_, line)| line)
    }

    /// Returns the number of code units that the table covers.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.units
    }
}

/// Decodes a varint of six bits per byte, least significant first. Bit 6 means that more bytes
/// follow.
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

/// Decodes a varint with its sign in the lowest bit.
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
    fn decodes_each_kind_of_entry() {
        // Two units on the first line, one two lines later with columns, one without a line, one 65
        // lines back in the long form.
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
        let lines = LineTable::decode(&table, 100);
        let got: Vec<_> = (0..6).map(|unit| lines.at(unit)).collect();
        assert_eq!(got, [Some(100), Some(100), Some(102), None, Some(37), None]);
        assert_eq!(lines.units(), 5);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(table: Vec<u8>, first: u32, unit: u32) {
            let _ = LineTable::decode(&table, first).at(unit);
        }
    }
}
