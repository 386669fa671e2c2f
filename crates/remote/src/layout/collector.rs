//! Offsets of the garbage collector's lists and statistics (`struct _gc_runtime_state`).
//!
//! `_Py_DebugOffsets` has `collecting` and, from 3.15 on, the statistics. The lists lie at a fixed
//! distance before it and can be verified: both neighbours of a circular list's head point back to
//! it.

use super::MissingField;
use super::probe::Probe;
use cpython_layout::DebugOffsets;
use cpython_layout::structures::{GcHead, GcStats};

/// Offsets in `struct _gc_runtime_state`, which starts at the table's `interpreter_state.gc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorOffsets {
    /// List heads of the young, middle and old generations and of the permanent generation
    /// (`gc.freeze()`); each is a [`GcHead`]. Only with the GIL: a free-threaded collector visits
    /// the heaps and has no lists.
    pub lists: Option<[u64; 4]>,
    /// Location of the collection statistics.
    pub collections: Option<StatsLocation>,
}

/// How collection statistics are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsLocation {
    /// Three counts for each of three generations, in the structure itself; see
    /// [`GcStats::COUNTS`].
    Counted {
        /// Offset of the first count.
        at: u64,
    },
    /// A pointer to `struct gc_stats`, with a ring buffer of the latest collections of each
    /// generation.
    Timed {
        /// Offset of the pointer.
        at: u64,
        /// One ring per generation; offsets in `struct gc_stats`.
        rings: [StatsRing; 3],
        /// Size of `struct gc_stats` in bytes.
        size: u64,
    },
}

/// A ring buffer of `struct gc_generation_stats`; see [`GcStats::ENTRY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsRing {
    /// Offset of the first entry.
    pub first: u64,
    /// Number of entries.
    pub len: u64,
    /// Offset of the index of the latest entry, a signed byte.
    pub index: u64,
}

impl CollectorOffsets {
    /// Locates the lists, and verifies them.
    pub(super) fn find(probe: &Probe<'_>, missing: &mut Vec<MissingField>) -> CollectorOffsets {
        let offsets = probe.offsets;
        let state = probe.main.wrapping_add(offsets.interpreter_state.gc);
        let is_list = |at: u64| probe.is_list_head(state.wrapping_add(at), GcHead::FLAGS);
        // The young list changes constantly; the others hardly ever, and never all at once.
        let sound = |lists: &[u64; 4]| lists.iter().filter(|&&at| is_list(at)).count() >= 3;
        let candidates = offsets.build.collector.lists;
        let lists = || {
            candidates
                .iter()
                .map(|back| back.map(|back| offsets.gc.collecting.saturating_sub(back)))
        };
        let lists = (0..4).flat_map(|_| lists()).find(sound);
        if lists.is_none() && !candidates.is_empty() {
            missing.push(MissingField {
                what: "the collector's lists of objects",
                why: "there are no lists at the expected offsets".into(),
            });
        }
        let collections = collections(offsets);
        if collections.is_none() {
            missing.push(MissingField {
                what: "the collection statistics",
                why: format!(
                    "the statistics are {:?} bytes, which is not a known size",
                    offsets.gc.generation_stats_size.unwrap_or(0)
                ),
            });
        }
        CollectorOffsets { lists, collections }
    }
}

fn collections(offsets: &DebugOffsets) -> Option<StatsLocation> {
    let (Some(at), Some(size)) = (offsets.gc.generation_stats, offsets.gc.generation_stats_size)
    else {
        return offsets
            .gc
            .collecting
            .checked_sub(GcStats::COUNTS)
            .map(|at| StatsLocation::Counted { at });
    };
    let entries = size.checked_sub(3 * GcStats::INDEX)? / GcStats::ENTRY;
    let lens =
        offsets.build.collector.rings.iter().find(|lens| lens.iter().sum::<u64>() == entries)?;
    let mut first = 0;
    let rings = lens.map(|len| {
        let ring = StatsRing { first, len, index: first + len * GcStats::ENTRY };
        first = ring.index + GcStats::INDEX;
        ring
    });
    Some(StatsLocation::Timed { at, rings, size })
}
