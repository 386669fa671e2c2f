//! The garbage collector's lists and statistics (`struct _gc_runtime_state`).
//!
//! `_Py_DebugOffsets` names `collecting` (and, from 3.15 on, the statistics); the lists lie at a fixed distance before it, and
//! show that they do: the head of a circular list is pointed at by both its neighbours.

use super::Missing;
use super::probe::Probe;
use crate::offsets::DebugOffsets;

/// Offsets in `struct _gc_runtime_state`, from its start, which is the table's `interpreter_state.gc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collector {
    /// The heads of the young, the middle and the old list of objects, each two words ([`Collector::NEXT`], [`Collector::PREVIOUS`]).
    /// Builds with the GIL; a free-threaded collector goes through the heaps and has no lists.
    pub generations: Option<[u64; 3]>,
    /// The head of the list that `gc.freeze()` fills. Builds with the GIL.
    pub permanent: Option<u64>,
    /// `long_lived_total`, a word: objects that survived the last full collection.
    pub long_lived: u64,
    /// Collections counted and timed.
    pub collections: Option<Collections>,
}

/// How collections are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collections {
    /// 3.13 and 3.14: three times three words in the structure itself: collections, collected, uncollectable.
    Counted {
        /// The first.
        at: u64,
    },
    /// From 3.15 on: a pointer to `struct gc_stats`, with a ring of the latest collections of each generation.
    Timed {
        /// The pointer.
        at: u64,
        /// One ring a generation, offsets in what it points to.
        rings: [Ring; 3],
        /// Bytes of what it points to.
        size: u64,
    },
}

/// A ring of `struct gc_generation_stats`, each 64 bytes: start and stop in monotonic nanoseconds, collections, collected,
/// uncollectable and candidates so far, seconds so far (a double), objects at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// The first entry.
    pub first: u64,
    /// Entries.
    pub len: u64,
    /// A signed byte: the entry that was written last.
    pub index: u64,
}

impl Ring {
    /// Bytes of an entry.
    pub const ENTRY: u64 = 64;
}

impl Collector {
    /// `_gc_next` in `PyGC_Head`, of which the low bits may be flags.
    pub const NEXT: u64 = 0;
    /// `_gc_prev`, of which the low bits are flags.
    pub const PREVIOUS: u64 = 8;
    /// Bits of both that are no address.
    pub const FLAGS: u64 = 3;
    /// `sizeof(PyGC_Head)`: the object follows it.
    pub const HEAD: u64 = 16;

    pub(super) fn of(offsets: &DebugOffsets) -> Collector {
        let collecting = offsets.gc.collecting;
        let before = |distance: u64| collecting.saturating_sub(distance);
        let (first, permanent) = match offsets.version.minor {
            13 => (176, 96),
            14 => (168, 96),
            _ => (104, 32),
        };
        let lists = !offsets.free_threaded;
        Collector {
            generations: lists.then(|| [first, first - 24, first - 48].map(before)),
            permanent: lists.then(|| before(permanent)),
            long_lived: collecting
                + match offsets.version.minor {
                    13 => 24,
                    14 => 48,
                    _ => 40,
                },
            collections: collections(offsets),
        }
    }

    /// Keeps the lists only if they are lists.
    pub(super) fn find(&mut self, probe: &Probe<'_>, missing: &mut Vec<Missing>) {
        let state = probe.main.wrapping_add(probe.offsets.interpreter_state.gc);
        let is_list = |at: u64| probe.is_list_head(state.wrapping_add(at), Self::FLAGS);
        if let (Some(generations), Some(permanent)) = (self.generations, self.permanent) {
            // 3.13.1 and some after it align a list's head to 4 bytes only, and have the first three 4 bytes earlier.
            let earlier = generations.map(|at| at.saturating_sub(4));
            // The young list changes all the time; the others hardly ever, and never all of them.
            let sound =
                |lists: [u64; 3]| lists.into_iter().chain([permanent]).filter(|&at| is_list(at)).count() >= 3;
            self.generations = (0..4).flat_map(|_| [generations, earlier]).find(|&lists| sound(lists));
            if self.generations.is_none() {
                self.permanent = None;
                missing.push(Missing {
                    what: "the collector's lists of objects",
                    why: "what is where they should be are not lists".into(),
                });
            }
        }
        if self.collections.is_none() {
            missing.push(Missing {
                what: "the collections that were made",
                why: format!(
                    "their statistics are {:?} bytes, which is no size that is known",
                    probe.offsets.gc.generation_stats_size.unwrap_or(0)
                ),
            });
        }
    }
}

fn collections(offsets: &DebugOffsets) -> Option<Collections> {
    let (Some(at), Some(size)) = (offsets.gc.generation_stats, offsets.gc.generation_stats_size) else {
        // Right before `collecting`.
        return offsets.gc.collecting.checked_sub(72).map(|at| Collections::Counted { at });
    };
    // Each ring is followed by a word for its index, and, in some releases, all of them by a word more.
    let lens = match size.checked_sub(24)? / Ring::ENTRY {
        17 => [11, 3, 3],
        3 => [1, 1, 1],
        _ => return None,
    };
    let mut first = 0;
    let rings = lens.map(|len| {
        let ring = Ring { first, len, index: first + len * Ring::ENTRY };
        first = ring.index + 8;
        ring
    });
    Some(Collections::Timed { at, rings, size })
}
