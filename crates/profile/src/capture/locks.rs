//! Locks that threads are seen waiting for: which object, and where its holder is.
//!
//! To find the object and its holder many small things are read from the target, so what was found is kept: for as long as the
//! wait lasts, and where the address alone says what it is, for every later wait at the same place in the program.

use super::places::Places;
use crate::Builder;
use crate::model::{FrameId, LockId};
use rustc_hash::FxHashMap;
use ungil_remote::frames::Frame;
use ungil_remote::locks::reader::Store;
use ungil_remote::locks::{Hold, Reader, Subject};
use ungil_remote::sample::{Looker, Raw, Slot};
use ungil_remote::waits::{On, Waiting};
use ungil_remote::{Attachment, Python};

/// Waits kept before the store is emptied.
const MOST: usize = 1 << 16;

/// What is known of a wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) lock: LockId,
    pub(super) subject: Subject,
    /// The object waited for.
    pub(super) object: u64,
    /// Its owner is read anew each time: it is a `threading.RLock`.
    rereads: bool,
}

/// A wait as the look sees it: address, since when, and the place in the program.
type Key = (u64, i64, u64, u64);

/// The locks of one process.
#[derive(Default)]
pub(super) struct Locks {
    store: Store,
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
        slot: &Slot,
        waiting: &Waiting,
        looker: &Looker,
        pid: u32,
        builder: &mut Builder,
    ) -> Option<Wait> {
        let (On::Parked(address) | On::Ungil(address) | On::Futex(address) | On::Gil(address)) = waiting.on
        else {
            return None;
        };
        let leaf = slot.frames().iter().rev().find(|raw| !raw.hidden)?;
        let forever = (address, 0, leaf.code, leaf.pointer);
        let once = (address, waiting.since_ns.unwrap_or(0), leaf.code, leaf.pointer);
        if let Some(wait) = self.waits.get(&forever).or_else(|| self.waits.get(&once)) {
            return Some(*wait);
        }
        let python = looker.python();
        let stack = python.stack(&slot.thread).ok()?;
        let known = Reader::new(python, &mut self.store).known(&slot.thread, waiting, &stack.frames);
        if known.kind == "futex" {
            return None;
        }
        let kind = known.kind.strip_prefix("object:").unwrap_or(&known.kind).to_string();
        let lock = builder.lock(pid, known.object, &kind, known.name.as_deref().unwrap_or(""));
        if known.name.is_none() && known.object != 0 {
            self.unnamed.push((known.object, lock, kind));
        }
        let rereads = known.kind == "threading.RLock";
        let wait = Wait { lock, subject: known.subject, object: known.object, rereads };
        // The address slept on is the object's own, and whoever has it is found anew each time.
        let is_own = address.wrapping_sub(known.object) < 64;
        let lasts = is_own && (rereads || matches!(known.subject, Subject::Within | Subject::Section(_)));
        if self.waits.len() >= MOST {
            self.waits.clear();
        }
        // An address with no time to tell one wait from the next is looked up every time, unless it lasts.
        if lasts {
            self.waits.insert(forever, wait);
        } else if waiting.since_ns.is_some() {
            self.waits.insert(once, wait);
        }
        Some(wait)
    }

    /// Where the thread is that has what `wait` is for: its innermost frame, or that of the `with` if that is all that is
    /// known to be right.
    pub(super) fn holder(
        &mut self,
        wait: &Wait,
        looker: &Looker,
        places: &mut Places,
        builder: &mut Builder,
    ) -> Option<FrameId> {
        let python = looker.python();
        let mut reader = Reader::new(python, &mut self.store);
        let is_holder = |reader: &mut Reader<'_>, slot: &Slot| match wait.subject {
            Subject::Owner(_) => false,
            Subject::Within => {
                let frames = frames_of(slot, places, python);
                reader.holds(&slot.thread, &frames).iter().any(|hold: &Hold| hold.lock == wait.object)
            }
            Subject::Section(mutex) => reader.critical_sections(&slot.thread).contains(&mutex),
            Subject::Gil(_) => slot.thread.attachment == Attachment::Attached,
            _ => false,
        };
        let owner = match wait.subject {
            Subject::Owner(_) if wait.rereads => Some(reader.recursive(wait.object)?.owner),
            Subject::Owner(owner) => Some(owner),
            _ => None,
        };
        if owner == Some(0) {
            return None;
        }
        let slot = looker.threads().iter().filter(|slot| slot.is_seen()).find(|slot| match owner {
            Some(owner) => slot.thread.ident == owner,
            None => is_holder(&mut reader, slot),
        })?;
        let leaf: &Raw = slot.frames().iter().rev().find(|raw| !raw.hidden)?;
        places.frame(leaf, looker, builder)
    }
}

/// A thread's frames as the look found them, innermost first, for those who read locks from frames.
fn frames_of(slot: &Slot, places: &Places, python: &Python) -> Vec<Frame> {
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
