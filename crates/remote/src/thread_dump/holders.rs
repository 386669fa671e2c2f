//! Who has what a thread waits for: waits and holds of all threads put together.

use super::{ThreadDump, ThreadInfo};
use crate::locks::types::Tag;
use crate::locks::{Confidence, Hold, Reader};
use crate::wait_target::{Releaser, WaitedObject};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A thread that has what another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its place in [`ThreadDump::threads`].
    pub thread: usize,
    /// How surely it is the one.
    pub confidence: Confidence,
    /// Its frame that holds it, counted from the innermost.
    pub frame: Option<usize>,
    /// The asyncio task that has it while it awaits something: only the thread's event loop can
    /// resume it.
    pub task: Option<u64>,
}

impl Holder {
    pub(super) fn new(thread: usize, confidence: Confidence, frame: Option<usize>) -> Holder {
        Holder { thread, confidence, frame, task: None }
    }
}

/// Fills in the holders of what the threads of `dump` wait for, and holds that only a wait has
/// brought to light.
pub(super) fn resolve(dump: &mut ThreadDump, reader: &mut Reader<'_>) {
    let index = Index::of(dump, reader);
    let found: Vec<(Vec<Holder>, bool)> = dump
        .threads
        .iter()
        .map(|info| match &info.wait {
            Some(wait) => index.holders(dump, reader, info.thread.interpreter_state, wait),
            None => (Vec::new(), false),
        })
        .collect();
    for (waiter, (mut holders, stuck)) in found.into_iter().enumerate() {
        // A lock may be waited for by its own holder; the GIL and the world are not: the two were
        // read at different moments.
        let is_of_runtime = |wait: &Arc<WaitedObject>| {
            matches!(wait.releaser, Releaser::GilHolder(_) | Releaser::Requester)
        };
        if dump.threads[waiter].wait.as_ref().is_some_and(is_of_runtime) {
            holders.retain(|holder| holder.thread != waiter);
        }
        for holder in &holders {
            if let Some(hold) = brought_to_light(&dump.threads[waiter], holder, reader)
                && let Some(owner) = dump.threads.get_mut(holder.thread)
                && owner.holds.iter().all(|known| known.lock != hold.lock)
            {
                owner.holds.push(hold);
            }
        }
        dump.threads[waiter].holders = holders;
        dump.threads[waiter].stuck_on_holders = stuck;
    }
}

/// What a waiter's holder holds, for what is held without a `with` and found only through its
/// owner.
fn brought_to_light(waiter: &ThreadInfo, holder: &Holder, reader: &mut Reader<'_>) -> Option<Hold> {
    let wait = waiter.wait.as_ref()?;
    if !matches!(wait.releaser, Releaser::Owner(_) | Releaser::CriticalSection(_)) {
        return None;
    }
    let depth = match reader.tag(wait.object) {
        Tag::RLock => reader.recursive(wait.object)?.depth,
        _ => 1,
    };
    let (lock, target, name) = (wait.object, wait.target.clone(), wait.name.clone());
    Some(Hold { lock, target, name, depth, confidence: holder.confidence, frame: holder.frame })
}

/// Where to look threads and holds up.
struct Index {
    by_ident: FxHashMap<u64, usize>,
    by_lock: FxHashMap<u64, Vec<Holder>>,
    by_section: FxHashMap<u64, Vec<usize>>,
}

impl Index {
    fn of(dump: &ThreadDump, reader: &Reader<'_>) -> Index {
        let mut index = Index {
            by_ident: FxHashMap::default(),
            by_lock: FxHashMap::default(),
            by_section: FxHashMap::default(),
        };
        let has_sections = dump.threads.iter().any(|info| {
            info.wait
                .as_ref()
                .is_some_and(|wait| matches!(wait.releaser, Releaser::CriticalSection(_)))
        });
        for (thread, info) in dump.threads.iter().enumerate() {
            index.by_ident.insert(info.thread.ident, thread);
            for hold in &info.holds {
                let holder = Holder::new(thread, hold.confidence, hold.frame);
                index.by_lock.entry(hold.lock).or_default().push(holder);
            }
            if has_sections {
                for mutex in reader.critical_sections(&info.thread) {
                    index.by_section.entry(mutex).or_default().push(thread);
                }
            }
        }
        index
    }

    /// The holders, and whether the waiter can go on only through them.
    fn holders(
        &self,
        dump: &ThreadDump,
        reader: &mut Reader<'_>,
        interpreter: u64,
        wait: &WaitedObject,
    ) -> (Vec<Holder>, bool) {
        let object = wait.object;
        let within = || self.by_lock.get(&object).cloned().unwrap_or_default();
        let by = |ident: u64, confidence| match self.by_ident.get(&ident).filter(|_| ident != 0) {
            None => (Vec::new(), false),
            Some(&thread) => {
                let frame = dump.threads[thread]
                    .holds
                    .iter()
                    .find(|hold| hold.lock == object)
                    .and_then(|hold| hold.frame);
                (vec![Holder::new(thread, confidence, frame)], true)
            }
        };
        match wait.releaser {
            Releaser::Owner(ident) | Releaser::Ending(ident) => by(ident, Confidence::Owner),
            Releaser::WithBlock => {
                let holders = within();
                // A lock has one holder: where two stacks say they have it, one has let go of it by
                // hand.
                let mut stuck = holders.len() == 1;
                if let Some(places) = reader.places(object) {
                    stuck = holders.len() as u64 == places;
                }
                (holders, stuck)
            }
            Releaser::CriticalSection(mutex) => {
                let threads = self.by_section.get(&mutex).map(Vec::as_slice).unwrap_or_default();
                let confidence = Confidence::CriticalSection;
                (
                    threads.iter().map(|&thread| Holder::new(thread, confidence, None)).collect(),
                    false,
                )
            }
            Releaser::Worker => {
                let worker = dump.threads.iter().enumerate().find_map(|(thread, info)| {
                    let frame = reader.runs_work_of(info.frames(), object)?;
                    Some(Holder::new(thread, Confidence::Owner, Some(frame)))
                });
                (worker.into_iter().collect(), worker.is_some())
            }
            Releaser::GilHolder(gil) => {
                let Some(address) = reader.gil_holder(gil) else { return (Vec::new(), false) };
                let thread = dump.threads.iter().position(|info| info.thread.address == address);
                let confidence = Confidence::Owner;
                (
                    thread
                        .into_iter()
                        .map(|thread| Holder::new(thread, confidence, None))
                        .collect(),
                    false,
                )
            }
            Releaser::Requester => {
                let stopper = reader.stopper(interpreter);
                let thread =
                    dump.threads.iter().position(|info| Some(info.thread.address) == stopper);
                let confidence = Confidence::Owner;
                (
                    thread
                        .into_iter()
                        .map(|thread| Holder::new(thread, confidence, None))
                        .collect(),
                    false,
                )
            }
            Releaser::Unrecorded | Releaser::Anyone => (Vec::new(), false),
        }
    }
}
