//! Matches the waits of all threads with the locks they hold.

use super::{ThreadDump, ThreadInfo};
use crate::locks::types::ObjectKind;
use crate::locks::{Confidence, Hold, LockReader};
use crate::wait_target::{Releaser, WaitedObject};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A thread that holds what another one waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Index in [`ThreadDump::threads`].
    pub thread: usize,
    /// How the holder was determined.
    pub confidence: Confidence,
    /// Index of the frame that holds it, counted from the innermost.
    pub frame: Option<usize>,
    /// The suspended asyncio task that holds it. Only the thread's event loop can resume the task.
    pub task: Option<u64>,
}

impl Holder {
    pub(super) fn new(thread: usize, confidence: Confidence, frame: Option<usize>) -> Holder {
        Holder { thread, confidence, frame, task: None }
    }
}

/// Sets the holders for the waits in `dump`, and adds holds that are known only from a wait.
pub(super) fn resolve(dump: &mut ThreadDump, reader: &mut LockReader<'_>) {
    let index = HolderIndex::of(dump, reader);
    let found: Vec<(Vec<Holder>, bool)> = dump
        .threads
        .iter()
        .map(|info| match &info.wait {
            Some(wait) => index.holders(dump, reader, info.thread.interpreter_state, wait),
            None => (Vec::new(), false),
        })
        .collect();
    for (waiter, (mut holders, stuck)) in found.into_iter().enumerate() {
        // A lock can be waited for by its own holder. The GIL and a stop-the-world pause cannot;
        // wait and holder were read at different moments.
        let is_of_runtime = |wait: &Arc<WaitedObject>| {
            matches!(wait.releaser, Releaser::GilHolder(_) | Releaser::Requester)
        };
        if dump.threads[waiter].wait.as_ref().is_some_and(is_of_runtime) {
            holders.retain(|holder| holder.thread != waiter);
        }
        for holder in &holders {
            if let Some(hold) = owner_hold(&dump.threads[waiter], holder, reader)
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

/// Returns the hold of a waiter's holder that has no `with` statement and is known only through the
/// lock's owner.
fn owner_hold(waiter: &ThreadInfo, holder: &Holder, reader: &mut LockReader<'_>) -> Option<Hold> {
    let wait = waiter.wait.as_ref()?;
    if !matches!(wait.releaser, Releaser::Owner(_) | Releaser::CriticalSection(_)) {
        return None;
    }
    let depth = match reader.tag(wait.object) {
        ObjectKind::RLock => reader.recursive(wait.object)?.depth,
        _ => 1,
    };
    let (lock, target, name) = (wait.object, wait.target.clone(), wait.name.clone());
    Some(Hold { lock, target, name, depth, confidence: holder.confidence, frame: holder.frame })
}

/// Lookup tables for threads and holds.
struct HolderIndex {
    by_ident: FxHashMap<u64, usize>,
    by_lock: FxHashMap<u64, Vec<Holder>>,
    by_section: FxHashMap<u64, Vec<usize>>,
}

impl HolderIndex {
    fn of(dump: &ThreadDump, reader: &LockReader<'_>) -> HolderIndex {
        let mut index = HolderIndex {
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

    /// Returns the holders, and whether the waiter can continue only through them.
    fn holders(
        &self,
        dump: &ThreadDump,
        reader: &mut LockReader<'_>,
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
                // A lock has one holder. If two stacks seem to hold it, one has released it
                // explicitly.
                let mut stuck = holders.len() == 1;
                if let Some(capacity) = reader.semaphore_capacity(object) {
                    stuck = holders.len() as u64 == capacity;
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
                let requester = reader.stop_requester(interpreter);
                let thread =
                    dump.threads.iter().position(|info| Some(info.thread.address) == requester);
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
