//! Locks that threads are seen waiting for: which object, and where its holder is.
//!
//! To find the object and its holder many small things are read from the target, so what was found
//! is kept: for as long as the wait lasts, and where the address alone says what it is, for every
//! later wait at the same place in the program.

use super::places::Places;
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

/// Waits kept before the store is emptied.
const MOST: usize = 1 << 16;

/// What is known of a wait.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    pub(super) lock: LockId,
    pub(super) of: Arc<WaitedObject>,
}

/// A wait as the look sees it: address, since when, and the place in the program.
type Key = (u64, i64, u64, u64);

/// The locks of one process.
#[derive(Default)]
pub(super) struct Locks {
    store: LockCache,
    /// The order in which threads take locks, from the waits that are looked into.
    pub(super) order: LockOrder,
    waits: FxHashMap<Key, Wait>,
    /// Objects seen waited for, and their rows, that have no name yet.
    pub(super) unnamed: Vec<(u64, LockId, String)>,
}

impl Locks {
    /// Code or objects may be others by now.
    pub(super) fn forget(&mut self) {
        self.waits.clear();
    }

    /// Begins a look.
    pub(super) fn next_look(&mut self) {
        self.store.next_look();
    }

    /// What a thread waits for. `None` where it is a wait of C code for something of its own.
    pub(super) fn of(
        &mut self,
        slot: &ThreadSlot,
        blocked: &Blocked,
        looker: &Sampler,
        pid: u32,
        builder: &mut Builder,
    ) -> Option<Wait> {
        let (BlockedOn::Parked(address)
        | BlockedOn::Package(address)
        | BlockedOn::Futex(address)
        | BlockedOn::Gil(address)) = blocked.on
        else {
            return None;
        };
        let leaf = slot.frames().iter().rev().find(|raw| !raw.hidden)?;
        let forever = (address, 0, leaf.code, leaf.pointer);
        let once = (address, blocked.since_ns.unwrap_or(0), leaf.code, leaf.pointer);
        if let Some(wait) = self.waits.get(&forever).or_else(|| self.waits.get(&once)) {
            return Some(wait.clone());
        }
        let python = looker.python();
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
        // The address slept on is the object's own, and whoever has it is found anew each time.
        let is_own = address.wrapping_sub(of.object) < 64;
        let lasts = is_own
            && (of.target == WaitTarget::RLock
                || matches!(of.releaser, Releaser::WithBlock | Releaser::CriticalSection(_)));
        let wait = Wait { lock, of: Arc::new(of) };
        if self.waits.len() >= MOST {
            self.waits.clear();
        }
        // An address with no time to tell one wait from the next is looked up every time, unless it
        // lasts.
        if lasts {
            self.waits.insert(forever, wait.clone());
        } else if blocked.since_ns.is_some() {
            self.waits.insert(once, wait.clone());
        }
        Some(wait)
    }

    /// Notes which locks a thread holds that waits for another. `is_there` asks the kernel whether
    /// it still sleeps there: the locks of a thread that went on meanwhile are not of one moment.
    pub(super) fn observe_order(
        &mut self,
        slot: &ThreadSlot,
        wait: &Wait,
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

    /// Where the thread is that has what `wait` is for: its innermost frame, or that of the `with`
    /// if that is all that is known to be right.
    pub(super) fn holder(
        &mut self,
        wait: &Wait,
        looker: &Sampler,
        places: &mut Places,
        builder: &mut Builder,
    ) -> Option<FrameId> {
        let python = looker.python();
        let mut reader = LockReader::new(python, &mut self.store);
        let is_holder = |reader: &mut LockReader<'_>, slot: &ThreadSlot| match wait.of.releaser {
            Releaser::Owner(_) => false,
            Releaser::WithBlock => {
                let frames = frames_of(slot, places, python);
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
            looker.threads().iter().filter(|slot| slot.is_seen()).find(|slot| match owner {
                Some(owner) => slot.thread.ident == owner,
                None => is_holder(&mut reader, slot),
            })?;
        let leaf: &RawFrame = slot.frames().iter().rev().find(|raw| !raw.hidden)?;
        places.frame(leaf, looker, builder)
    }
}

/// A thread's frames as the look found them, innermost first, for those who read locks from frames.
fn frames_of(slot: &ThreadSlot, places: &Places, python: &Python) -> Vec<Frame> {
    let at = &python.offsets().interpreter_frame;
    slot.frames()
        .iter()
        .rev()
        .filter(|raw| !raw.hidden)
        .filter_map(|raw| {
            let place = places.place(raw)?;
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
