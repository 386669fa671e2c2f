//! Allocations by line.

use super::{AllocationSum, Allocations, BlockFate, SourceLine};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// One line of code, and what it allocated. A block belongs to the innermost Python frame,
/// including all native code that it called.
#[derive(Debug, Clone)]
pub struct LineAllocations {
    /// The line.
    pub place: SourceLine,
    /// Everything that was allocated there, live or freed.
    pub allocated: AllocationSum,
    /// Memory live at the end.
    pub live: AllocationSum,
    /// Memory freed before the end.
    pub freed: AllocationSum,
    /// By type, the largest first: by live bytes, then by freed bytes.
    pub types: Vec<TypeShare>,
    /// Allocated bytes by thread (an index of [`Allocations::threads`]), the largest first.
    pub threads: Vec<(Option<usize>, f64)>,
}

/// One type's part of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeShare {
    /// The type.
    pub kind: Rc<str>,
    /// Bytes live at the end.
    pub live: f64,
    /// Blocks live at the end.
    pub live_blocks: f64,
    /// Bytes freed before.
    pub freed: f64,
    /// Blocks freed before.
    pub freed_blocks: f64,
}

impl Allocations {
    /// Returns every line that allocated, ordered by live bytes, then by allocated bytes.
    pub fn lines(&self) -> Vec<LineAllocations> {
        let mut lines: FxHashMap<&SourceLine, LineAllocations> = FxHashMap::default();
        for row in &self.rows {
            let Some(place) = self.stacks.get(row.stack).and_then(|s| s.last()) else { continue };
            let line = lines.entry(place).or_insert_with(|| LineAllocations::new(place.clone()));
            match row.fate {
                BlockFate::Allocated => {
                    line.allocated.add(&row.sum);
                    match line.threads.iter_mut().find(|(t, _)| *t == row.thread) {
                        Some((_, bytes)) => *bytes += row.sum.bytes,
                        None => line.threads.push((row.thread, row.sum.bytes)),
                    }
                }
                BlockFate::Live => {
                    line.live.add(&row.sum);
                    let share = line.share(&row.kind);
                    share.live += row.sum.bytes;
                    share.live_blocks += row.sum.blocks;
                }
                BlockFate::Freed => {
                    line.freed.add(&row.sum);
                    let share = line.share(&row.kind);
                    share.freed += row.sum.bytes;
                    share.freed_blocks += row.sum.blocks;
                }
            }
        }
        let mut lines: Vec<LineAllocations> = lines.into_values().collect();
        for line in &mut lines {
            line.types.sort_by(|a, b| {
                b.live
                    .total_cmp(&a.live)
                    .then(b.freed.total_cmp(&a.freed))
                    .then_with(|| a.kind.cmp(&b.kind))
            });
            line.threads.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        lines.sort_by(|a, b| {
            let bytes = |line: &LineAllocations| (line.live.bytes, line.allocated.bytes);
            let (a_bytes, b_bytes) = (bytes(a), bytes(b));
            b_bytes
                .0
                .total_cmp(&a_bytes.0)
                .then(b_bytes.1.total_cmp(&a_bytes.1))
                .then_with(|| a.place.cmp(&b.place))
        });
        lines
    }
}

impl LineAllocations {
    fn new(place: SourceLine) -> LineAllocations {
        let none = AllocationSum::default();
        LineAllocations {
            place,
            allocated: none,
            live: none,
            freed: none,
            types: Vec::new(),
            threads: Vec::new(),
        }
    }

    fn share(&mut self, kind: &Rc<str>) -> &mut TypeShare {
        let at = self.types.iter().position(|s| s.kind == *kind).unwrap_or_else(|| {
            let kind = kind.clone();
            self.types.push(TypeShare {
                kind,
                live: 0.0,
                live_blocks: 0.0,
                freed: 0.0,
                freed_blocks: 0.0,
            });
            self.types.len() - 1
        });
        &mut self.types[at]
    }
}
