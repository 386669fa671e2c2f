//! Resolves the locks that threads wait for: which object, and where its holder is.
//!
//! Finding the object and its holder takes many small reads from the target. Results are cached for
//! as long as the wait lasts. Where the address alone identifies the object, they are cached for
//! every later wait at the same code position.

use super::frame_table::FrameTable;
use crate::Builder;
use crate::model::{FrameId, LockId};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::frames::Frame;
use ungil_remote::lock_order::LockOrder;
use ungil_remote::locks::reader::LockCache;
use ungil_remote::locks::{Hold, LockReader};
use ungil_remote::sample::{RawFrame, Sampler, ThreadSlot};
use ungil_remote::{Attachment, Blocked, BlockedOn, Python, Releaser, WaitTarget, WaitedObject};

/// Waits cached before the cache is emptied.
const MAX_CACHED_WAITS: usize = 1 << 16;

/// A wait whose object is known.
#[derive(Debug, Clone)]
pub(super) struct ResolvedWait {
    pub(super) lock: LockId,
    pub(super) of: Arc<WaitedObject>,
}

/// A wait as sampled: address, start time, code object and instruction pointer.
type WaitKey = (u64, i64, u64, u64);

/// Resolves the locks of one process.
#[derive(Default)]
pub(super) struct LockResolver {
    store: LockCache,
    /// The order in which threads take locks, from the waits that were examined.
    pub(super) order: LockOrder,
    waits: FxHashMap<WaitKey, ResolvedWait>,
    /// Objects that have no name yet: address, row, kind.
    pub(super) unnamed: Vec<(u64, LockId, String)>,
}

impl LockResolver {
    /// Empties the cache, because addresses may have been reused.
    pub(super) fn forget(&mut self) {
        self.waits.clear();
    }

    /// Begins a look.
    pub(super) fn next_look(&mut self) {
        self.store.next_look();
    }

    /// Returns what a thread waits for; `None` for a futex of C code that is not a known lock.
    pub(super) fn resolve(
        &mut self,
        slot: &ThreadSlot,
        blocked: &Blocked,
        sampler: &Sampler,
        pid: u32,
        builder: &mut Builder,
    ) -> Option<ResolvedWait> {
        let (BlockedOn::Parked(address)
        | BlockedOn::Package(address)
        | BlockedOn::Futex(address)
        | BlockedOn::Gil(address)) = blocked.on
        else {
            return None;
        };
        let leaf = slot.frames().iter().rev().find(|raw| !raw.hidden)?;
        let permanent_key = (address, 0, leaf.code, leaf.pointer);
        let wait_key = (address, blocked.since_ns.unwrap_or(0), leaf.code, leaf.pointer);
        if let Some(wait) = self.waits.get(&permanent_key).or_else(|| self.waits.get(&wait_key)) {
            return Some(wait.clone());
        }
        let python = sampler.python();
        let stack = python.stack(&slot.thread).ok()?;
        let of = LockReader::new(python, &mut self.store).waited_object(
            &slot.thread,
            blocked,
            &stack.frames,
        );
        if of.target == WaitTarget::Futex {
            return None;
        }
        let kind = of.target.to_string();
        let lock = builder.lock(pid, of.object, &kind, of.name.as_deref().unwrap_or(""));
        if of.name.is_none() && of.object != 0 {
            self.unnamed.push((of.object, lock, kind));
        }
        // The futex is inside the object itself, and its holder is determined anew each time.
        let is_own = address.wrapping_sub(of.object) < 64;
        let is_permanent = is_own
            && (of.target == WaitTarget::RLock
                || matches!(of.releaser, Releaser::WithBlock | Releaser::CriticalSection(_)));
        let wait = ResolvedWait { lock, of: Arc::new(of) };
        if self.waits.len() >= MAX_CACHED_WAITS {
            self.waits.clear();
        }
        // Without a start time two waits at one address cannot be distinguished, so they are resolved
        // every time unless the result is permanent.
        if is_permanent {
            self.waits.insert(permanent_key, wait.clone());
        } else if blocked.since_ns.is_some() {
            self.waits.insert(wait_key, wait.clone());
        }
        Some(wait)
    }

    /// Records which locks a waiting thread holds. `is_there` asks the kernel whether it still
    /// sleeps there: if the thread went on meanwhile, the locks are not of one moment.
    pub(super) fn observe_order(
        &mut self,
        slot: &ThreadSlot,
        wait: &ResolvedWait,
        is_there: impl Fn() -> bool,
        python: &Python,
    ) {
        let Ok(stack) = python.stack(&slot.thread) else { return };
        let mut reader = LockReader::new(python, &mut self.store);
        let holds = reader.holds(&slot.thread, &stack.frames);
        if !holds.is_empty() && reader.holds(&slot.thread, &stack.frames) == holds && is_there() {
            self.order.observe(slot.thread.native_id, &stack.frames, &holds, Some(&wait.of));
        }
    }

    /// Returns the innermost frame of the thread that holds what `wait` is for.
    pub(super) fn holder(
        &mut self,
        wait: &ResolvedWait,
        sampler: &Sampler,
        frame_table: &mut FrameTable,
        builder: &mut Builder,
    ) -> Option<FrameId> {
        let python = sampler.python();
        let mut reader = LockReader::new(python, &mut self.store);
        let is_holder = |reader: &mut LockReader<'_>, slot: &ThreadSlot| match wait.of.releaser {
            Releaser::Owner(_) => false,
            Releaser::WithBlock => {
                let frames = frames_of(slot, frame_table, python);
                reader
                    .holds(&slot.thread, &frames)
                    .iter()
                    .any(|hold: &Hold| hold.lock == wait.of.object)
            }
            Releaser::CriticalSection(mutex) => {
                reader.critical_sections(&slot.thread).contains(&mutex)
            }
            Releaser::GilHolder(_) => slot.thread.attachment == Attachment::Attached,
            _ => false,
        };
        let owner = match wait.of.releaser {
            Releaser::Owner(_) if wait.of.target == WaitTarget::RLock => {
                Some(reader.recursive(wait.of.object)?.owner)
            }
            Releaser::Owner(owner) => Some(owner),
            _ => None,
        };
        if owner == Some(0) {
            return None;
        }
        let slot =
            sampler.threads().iter().filter(|slot| slot.is_seen()).find(|slot| match owner {
                Some(owner) => slot.thread.ident == owner,
                None => is_holder(&mut reader, slot),
            })?;
        let leaf: &RawFrame = slot.frames().iter().rev().find(|raw| !raw.hidden)?;
        frame_table.frame(leaf, sampler, builder)
    }
}

/// Converts a thread's sampled frames, innermost first, to frames that locks can be read from.
fn frames_of(slot: &ThreadSlot, frame_table: &FrameTable, python: &Python) -> Vec<Frame> {
    let at = &python.offsets().interpreter_frame;
    slot.frames()
        .iter()
        .rev()
        .filter(|raw| !raw.hidden)
        .filter_map(|raw| {
            let place = frame_table.place(raw)?;
            let base = raw.address.saturating_add(at.localsplus) + 8 * u64::from(place.code.locals);
            Some(Frame {
                address: raw.address,
                code: std::sync::Arc::clone(&place.code),
                unit: place.unit,
                line: place.line,
                stack: (base, None),
                from_c: false,
            })
        })
        .collect()
}
