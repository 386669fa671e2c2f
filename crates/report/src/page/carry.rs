//! The records inside the page: compressed together, given out again byte for byte, and read by the
//! table of runs.
//!
//! A page must stay light enough to send. Where the whole records are too heavy, their comparisons
//! go first, which are half of their weight and can be made again from the runs; then all but their
//! first runs. What was left out is said.

use crate::Source;
use base64::Engine;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::Write;

/// Most bytes that records may take in a page, compressed.
const ROOM: usize = 1_150_000;
/// Bytes of runs to begin with where not all can stay, before compression.
const RUNS: usize = 8 << 20;

/// Records on their way.
pub(super) struct Carried {
    /// Name, length, and whether it is whole, of each record.
    pub(super) manifest: Vec<Value>,
    /// All of them, gzip, base64.
    pub(super) blob: String,
    /// What was left out.
    pub(super) note: Option<String>,
}

/// How much of each record.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    WithoutComparison,
    /// Its first lines, up to so many bytes.
    First(usize),
}

/// Packs the records.
pub(super) fn pack(sources: &[Source]) -> Carried {
    let mut part = Part::Whole;
    if sources.iter().any(|s| !s.is_whole()) || heavy(sources) {
        part = Part::First(RUNS / sources.len().max(1));
    }
    loop {
        let parts: Vec<Cow<'_, [u8]>> = sources.iter().map(|s| cut(&s.bytes, part)).collect();
        let packed = gzip(&parts);
        part = match part {
            _ if packed.len() <= ROOM => return carried(sources, &parts, &packed, part),
            Part::Whole => Part::WithoutComparison,
            Part::WithoutComparison => Part::First(RUNS / sources.len().max(1)),
            Part::First(bytes) => Part::First(bytes / 2),
        };
    }
}

/// Whether the records are so large that they cannot fit however well they compress (six- to
/// twelvefold).
fn heavy(sources: &[Source]) -> bool {
    sources.iter().map(|s| s.bytes.len()).sum::<usize>() > 20 * ROOM
}

fn carried(sources: &[Source], parts: &[Cow<'_, [u8]>], packed: &[u8], part: Part) -> Carried {
    let note = match part {
        Part::Whole => None,
        Part::WithoutComparison => Some(
            "So that the page stays light, each record is here without its comparison, which ungil makes again from the runs; everything else is byte for byte the file's.".into(),
        ),
        Part::First(_) => Some(format!(
            "The records are too large for a page ({} in all): they are not here, and the table has only their first runs. Every figure and chart above is made from all of them.",
            ungil_format::bytes(sources.iter().map(|s| s.length).sum())
        )),
    };
    let manifest = sources.iter().zip(parts).map(|(s, bytes)| {
        let file = s
            .path
            .file_name()
            .map_or_else(|| "record.jsonl".into(), |n| n.to_string_lossy().into_owned());
        json!({
            "name": s.title, "file": file, "bytes": bytes.len(), "length": s.length,
            "given": part == Part::Whole || part == Part::WithoutComparison,
        })
    });
    Carried { manifest: manifest.collect(), blob: base64(packed), note }
}

/// The part of a record that stays.
fn cut(bytes: &[u8], part: Part) -> Cow<'_, [u8]> {
    match part {
        Part::Whole => Cow::Borrowed(bytes),
        Part::WithoutComparison => {
            let lines = bytes.split_inclusive(|b| *b == b'\n');
            Cow::Owned(
                lines
                    .filter(|l| !l.starts_with(b"{\"type\":\"comparison\""))
                    .flatten()
                    .copied()
                    .collect(),
            )
        }
        Part::First(most) => {
            let first = bytes.get(..most.min(bytes.len())).unwrap_or_default();
            let end = first.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            Cow::Borrowed(bytes.get(..end).unwrap_or_default())
        }
    }
}

/// Compressed together: what records of one experiment have in common is stored once.
pub(super) fn gzip<B: AsRef<[u8]>>(parts: &[B]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for part in parts {
        // Into memory: it cannot fail.
        let _ = packer.write_all(part.as_ref());
    }
    packer.finish().unwrap_or_default()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
