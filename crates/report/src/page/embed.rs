//! Embeds the records in the page, compressed together: they can be saved byte for byte, and the
//! table of runs is made of them.
//!
//! The size of a page is limited. If the records are too large, their comparisons are left out
//! first, which are half of their size and can be computed from the runs; then all but the first
//! runs. The page states what was left out.

use crate::Source;
use base64::Engine;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::Write;

/// Maximum compressed size of the records in a page.
const MAX_PACKED: usize = 1_150_000;
/// Uncompressed size of the runs to start with if not all can be embedded.
const MAX_RUN_BYTES: usize = 8 << 20;

/// Embedded records.
pub(super) struct EmbeddedRecords {
    /// Name, length and completeness of each record.
    pub(super) manifest: Vec<Value>,
    /// All records: gzip, base64.
    pub(super) blob: String,
    /// Note on what was left out.
    pub(super) note: Option<String>,
}

/// The part of each record that is embedded.
#[derive(Clone, Copy, PartialEq)]
enum EmbeddedPart {
    Whole,
    WithoutComparison,
    /// The first lines, up to a number of bytes.
    First(usize),
}

/// Compresses as much of the records as fits.
pub(super) fn pack(sources: &[Source]) -> EmbeddedRecords {
    let mut part = EmbeddedPart::Whole;
    if sources.iter().any(|s| !s.is_whole()) || is_too_large(sources) {
        part = EmbeddedPart::First(MAX_RUN_BYTES / sources.len().max(1));
    }
    loop {
        let parts: Vec<Cow<'_, [u8]>> = sources.iter().map(|s| cut(&s.bytes, part)).collect();
        let packed = gzip(&parts);
        part = match part {
            _ if packed.len() <= MAX_PACKED => return carried(sources, &parts, &packed, part),
            EmbeddedPart::Whole => EmbeddedPart::WithoutComparison,
            EmbeddedPart::WithoutComparison => {
                EmbeddedPart::First(MAX_RUN_BYTES / sources.len().max(1))
            }
            EmbeddedPart::First(bytes) => EmbeddedPart::First(bytes / 2),
        };
    }
}

/// Returns whether the records cannot fit at any usual compression ratio (6 to 12).
fn is_too_large(sources: &[Source]) -> bool {
    sources.iter().map(|s| s.bytes.len()).sum::<usize>() > 20 * MAX_PACKED
}

fn carried(
    sources: &[Source],
    parts: &[Cow<'_, [u8]>],
    packed: &[u8],
    part: EmbeddedPart,
) -> EmbeddedRecords {
    let note = match part {
        EmbeddedPart::Whole => None,
        EmbeddedPart::WithoutComparison => Some(
            "To keep the page small, each record is embedded without its comparison, which ungil can compute again from the runs. Everything else is byte for byte the file's.".into(),
        ),
        EmbeddedPart::First(_) => Some(format!(
            "The records are too large for a page ({} in total), so they cannot be saved from it, and the table has only their first runs. All figures and charts above use all runs.",
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
            "given": part == EmbeddedPart::Whole || part == EmbeddedPart::WithoutComparison,
        })
    });
    EmbeddedRecords { manifest: manifest.collect(), blob: base64(packed), note }
}

/// Returns the embedded part of a record.
fn cut(bytes: &[u8], part: EmbeddedPart) -> Cow<'_, [u8]> {
    match part {
        EmbeddedPart::Whole => Cow::Borrowed(bytes),
        EmbeddedPart::WithoutComparison => {
            let lines = bytes.split_inclusive(|b| *b == b'\n');
            Cow::Owned(
                lines
                    .filter(|l| !l.starts_with(b"{\"type\":\"comparison\""))
                    .flatten()
                    .copied()
                    .collect(),
            )
        }
        EmbeddedPart::First(most) => {
            let first = bytes.get(..most.min(bytes.len())).unwrap_or_default();
            let end = first.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            Cow::Borrowed(bytes.get(..end).unwrap_or_default())
        }
    }
}

/// Compresses all parts as one stream, so that what they have in common is stored once.
pub(super) fn gzip<B: AsRef<[u8]>>(parts: &[B]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for part in parts {
        // Writing to memory cannot fail.
        let _ = packer.write_all(part.as_ref());
    }
    packer.finish().unwrap_or_default()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
