//! Synthetic memory for the heap tests.

use crate::memory::{Memory, ReadError};
use cpython_layout::DebugOffsets;
use std::sync::Mutex;

/// `_Py_DebugOffsets` of 3.15.1t and 3.13.17 as words, without the cookie.
pub(super) const FREE_THREADED: [u64; 110] = [
    51315184, 1, 406016, 912, 936, 247040, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16,
    7736, 0, 7760, 7752, 7952, 17564, 888, 0, 8, 16, 72, 80, 88, 96, 176, 184, 256, 32, 36, 40,
    136, 288, 0, 88, 8, 0, 56, 80, 78, 64, 72, 240, 128, 136, 144, 152, 84, 68, 112, 120, 232, 224,
    32, 24, 440, 40, 104, 184, 48, 304, 968, 904, 56, 48, 32, 56, 40, 32, 216, 40, 56, 48, 64, 48,
    56, 40, 32, 48, 32, 40, 56, 32, 48, 80, 48, 32, 56, 72, 176, 112, 120, 224, 104, 176, 40, 88,
    83, 0, 8, 24, 344, 8036, 0, 4, 512,
];
pub(super) const WITH_GIL: [u64; 72] = [
    51188208, 0, 283408, 608, 632, 194984, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16, 7752, 0,
    7768, 7760, 312, 0, 8, 16, 72, 152, 160, 232, 32, 80, 8, 0, 56, 72, 70, 208, 112, 120, 128,
    136, 68, 52, 96, 104, 200, 16, 8, 416, 24, 88, 168, 32, 24, 16, 40, 24, 16, 48, 32, 40, 24, 16,
    32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 240, 200,
];

pub(super) fn offsets(words: &[u64]) -> DebugOffsets {
    let bytes: Vec<u8> = b"xdebugpy"
        .iter()
        .copied()
        .chain(words.iter().flat_map(|word| word.to_le_bytes()))
        .collect();
    DebugOffsets::parse(&bytes).expect("a live interpreter's table")
}

/// A few memory ranges, and a word that changes with every read.
#[derive(Default)]
pub(super) struct Image {
    parts: Vec<(u64, Vec<u8>)>,
    pub(super) restless: Option<(u64, Mutex<u64>)>,
}

impl Image {
    pub(super) fn part(&mut self, address: u64, len: usize) {
        self.parts.push((address, vec![0; len]));
    }

    pub(super) fn put(&mut self, address: u64, bytes: &[u8]) {
        let (start, part) = self
            .parts
            .iter_mut()
            .find(|(start, part)| (*start..*start + part.len() as u64).contains(&address))
            .expect("a part");
        let at = (address - *start) as usize;
        part[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn word(&mut self, address: u64, word: u64) {
        self.put(address, &word.to_le_bytes());
    }
}

impl Memory for Image {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let missing = ReadError::Unmapped(address);
        let found = self.parts.iter().find_map(|(start, part)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            part.get(at..at.checked_add(into.len())?)
        });
        into.copy_from_slice(found.ok_or(missing)?);
        if let Some((restless, count)) = &self.restless
            && let Some(at) = restless.checked_sub(address).filter(|at| at + 8 <= into.len() as u64)
        {
            let mut count = count.lock().expect("no panic");
            *count += 1;
            into[at as usize..at as usize + 8].copy_from_slice(&(4 * *count).to_le_bytes());
        }
        Ok(())
    }
}
