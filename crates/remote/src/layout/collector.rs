//! The garbage collector's lists and statistics (`struct _gc_runtime_state`).
//!
//! `_Py_DebugOffsets` names `collecting` (and, from 3.15 on, the statistics); the lists lie at a
//! fixed distance before it, and show that they do: the head of a circular list is pointed at by
//! both its neighbours.

use super::Missing;
use super::probe::Probe;
use cpython_layout::DebugOffsets;
use cpython_layout::structures::{GcHead, GcStats};

/// Offsets in `struct _gc_runtime_state`, from its start, which is the table's
/// `interpreter_state.gc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collector {
    /// The heads of the young, the middle and the old list of objects, and of the one that
    /// `gc.freeze()` fills; each a [`GcHead`]. Builds with the GIL; a free-threaded collector goes
    /// through the heaps and has no lists.
    pub lists: Option<[u64; 4]>,
    /// Collections counted and timed.
    pub collections: Option<Collections>,
}

/// How collections are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collections {
    /// Three times three words in the structure itself; see [`GcStats::COUNTS`].
    Counted {
        /// The first.
        at: u64,
    },
    /// A pointer to `struct gc_stats`, with a ring of the latest collections of each generation.
    Timed {
        /// The pointer.
        at: u64,
        /// One ring a generation, offsets in what it points to.
        rings: [Ring; 3],
        /// Bytes of what it points to.
        size: u64,
    },
}

/// A ring of `struct gc_generation_stats`; see [`GcStats::ENTRY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// The first entry.
    pub first: u64,
    /// Entries.
    pub len: u64,
    /// A signed byte: the entry that was written last.
    pub index: u64,
}

impl Collector {
    /// Keeps the lists only if they are lists.
    pub(super) fn find(probe: &Probe<'_>, missing: &mut Vec<Missing>) -> Collector {
        let offsets = probe.offsets;
        let state = probe.main.wrapping_add(offsets.interpreter_state.gc);
        let is_list = |at: u64| probe.is_list_head(state.wrapping_add(at), GcHead::FLAGS);
        // The young list changes all the time; the others hardly ever, and never all of them.
        let sound = |lists: &[u64; 4]| lists.iter().filter(|&&at| is_list(at)).count() >= 3;
        let candidates = offsets.build.collector.lists;
        let lists = || {
            candidates
                .iter()
                .map(|back| back.map(|back| offsets.gc.collecting.saturating_sub(back)))
        };
        let lists = (0..4).flat_map(|_| lists()).find(sound);
        if lists.is_none() && !candidates.is_empty() {
            missing.push(Missing {
                what: "the collector's lists of objects",
                why: "what is where they should be are not lists".into(),
            });
        }
        let collections = collections(offsets);
        if collections.is_none() {
            missing.push(Missing {
                what: "the collections that were made",
                why: format!(
                    "their statistics are {:?} bytes, which is no size that is known",
                    offsets.gc.generation_stats_size.unwrap_or(0)
                ),
            });
        }
        Collector { lists, collections }
    }
}

fn collections(offsets: &DebugOffsets) -> Option<Collections> {
    let (Some(at), Some(size)) = (offsets.gc.generation_stats, offsets.gc.generation_stats_size)
    else {
        return offsets
            .gc
            .collecting
            .checked_sub(GcStats::COUNTS)
            .map(|at| Collections::Counted { at });
    };
    let entries = size.checked_sub(3 * GcStats::INDEX)? / GcStats::ENTRY;
    let lens =
        offsets.build.collector.rings.iter().find(|lens| lens.iter().sum::<u64>() == entries)?;
    let mut first = 0;
    let rings = lens.map(|len| {
        let ring = Ring { first, len, index: first + len * GcStats::ENTRY };
        first = ring.index + GcStats::INDEX;
        ring
    });
    Some(Collections::Timed { at, rings, size })
}
