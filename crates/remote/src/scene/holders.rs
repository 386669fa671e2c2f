//! Who has what a thread waits for: waits and holds of all threads put together.

use super::{Scene, Seen};
use crate::locks::types::Tag;
use crate::locks::{Confidence, Hold, Known, Reader, Subject};
use rustc_hash::FxHashMap;

/// A thread that has what another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its place in [`Scene::threads`].
    pub thread: usize,
    /// How surely it is the one.
    pub confidence: Confidence,
    /// Its frame that holds it, counted from the innermost.
    pub frame: Option<usize>,
}

/// Fills in the holders of what the threads of `scene` wait for, and holds that only a wait has brought to light.
pub(super) fn resolve(scene: &mut Scene, reader: &mut Reader<'_>) {
    let index = Index::of(scene, reader);
    let found: Vec<(Vec<Holder>, bool)> = scene
        .threads
        .iter()
        .map(|seen| match &seen.known {
            Some(known) => index.holders(scene, reader, seen.thread.interpreter_state, known),
            None => (Vec::new(), false),
        })
        .collect();
    for (waiter, (mut holders, stuck)) in found.into_iter().enumerate() {
        // A lock may be waited for by its own holder; the GIL and the world are not: the two were read at different moments.
        if scene.threads[waiter]
            .known
            .as_ref()
            .is_some_and(|known| matches!(known.subject, Subject::Gil(_) | Subject::World))
        {
            holders.retain(|holder| holder.thread != waiter);
        }
        for holder in &holders {
            if let Some(hold) = brought_to_light(&scene.threads[waiter], holder, reader)
                && let Some(owner) = scene.threads.get_mut(holder.thread)
                && owner.holds.iter().all(|known| known.lock != hold.lock)
            {
                owner.holds.push(hold);
            }
        }
        scene.threads[waiter].holders = holders;
        scene.threads[waiter].stuck_on_holders = stuck;
    }
}

/// What a waiter's holder holds, for what is held without a `with` and found only through its owner.
fn brought_to_light(waiter: &Seen, holder: &Holder, reader: &mut Reader<'_>) -> Option<Hold> {
    let known = waiter.known.as_ref()?;
    if !matches!(known.subject, Subject::Owner(_) | Subject::Section(_)) {
        return None;
    }
    let depth = match reader.tag(known.object) {
        Tag::RLock => reader.recursive(known.object)?.depth,
        _ => 1,
    };
    let (lock, kind, name) = (known.object, known.kind.clone(), known.name.clone());
    Some(Hold { lock, kind, name, depth, confidence: holder.confidence, frame: holder.frame })
}

/// Where to look threads and holds up.
struct Index {
    by_ident: FxHashMap<u64, usize>,
    by_lock: FxHashMap<u64, Vec<Holder>>,
    by_section: FxHashMap<u64, Vec<usize>>,
}

impl Index {
    fn of(scene: &Scene, reader: &Reader<'_>) -> Index {
        let mut index = Index {
            by_ident: FxHashMap::default(),
            by_lock: FxHashMap::default(),
            by_section: FxHashMap::default(),
        };
        let has_sections = scene.threads.iter().any(|seen| {
            seen.known.as_ref().is_some_and(|known| matches!(known.subject, Subject::Section(_)))
        });
        for (thread, seen) in scene.threads.iter().enumerate() {
            index.by_ident.insert(seen.thread.ident, thread);
            for hold in &seen.holds {
                let holder = Holder { thread, confidence: hold.confidence, frame: hold.frame };
                index.by_lock.entry(hold.lock).or_default().push(holder);
            }
            if has_sections {
                for mutex in reader.critical_sections(&seen.thread) {
                    index.by_section.entry(mutex).or_default().push(thread);
                }
            }
        }
        index
    }

    /// The holders, and whether the waiter can go on only through them.
    fn holders(
        &self,
        scene: &Scene,
        reader: &mut Reader<'_>,
        interpreter: u64,
        known: &Known,
    ) -> (Vec<Holder>, bool) {
        let (object, subject) = (known.object, known.subject);
        let within = || self.by_lock.get(&object).cloned().unwrap_or_default();
        let by = |ident: u64, confidence| match self.by_ident.get(&ident).filter(|_| ident != 0) {
            None => (Vec::new(), false),
            Some(&thread) => {
                let frame = scene.threads[thread]
                    .holds
                    .iter()
                    .find(|hold| hold.lock == object)
                    .and_then(|hold| hold.frame);
                (vec![Holder { thread, confidence, frame }], true)
            }
        };
        match subject {
            Subject::Owner(ident) | Subject::End(ident) => by(ident, Confidence::Owner),
            Subject::Within => {
                let holders = within();
                // A lock has one holder: where two stacks say they have it, one has let go of it by hand.
                let mut stuck = holders.len() == 1;
                if let Some(places) = reader.places(object) {
                    stuck = holders.len() as u64 == places;
                }
                (holders, stuck)
            }
            Subject::Section(mutex) => {
                let threads = self.by_section.get(&mutex).map(Vec::as_slice).unwrap_or_default();
                let confidence = Confidence::CriticalSection;
                (threads.iter().map(|&thread| Holder { thread, confidence, frame: None }).collect(), false)
            }
            Subject::Worker => {
                let worker = scene.threads.iter().enumerate().find_map(|(thread, seen)| {
                    let frame = reader.runs_work_of(&seen.stack.frames, object)?;
                    Some(Holder { thread, confidence: Confidence::Owner, frame: Some(frame) })
                });
                (worker.into_iter().collect(), worker.is_some())
            }
            Subject::Gil(gil) => {
                let Some(address) = reader.gil_holder(gil) else { return (Vec::new(), false) };
                let thread = scene.threads.iter().position(|seen| seen.thread.address == address);
                let confidence = Confidence::Owner;
                (thread.into_iter().map(|thread| Holder { thread, confidence, frame: None }).collect(), false)
            }
            Subject::World => {
                let stopper = reader.stopper(interpreter);
                let thread = scene.threads.iter().position(|seen| Some(seen.thread.address) == stopper);
                let confidence = Confidence::Owner;
                (thread.into_iter().map(|thread| Holder { thread, confidence, frame: None }).collect(), false)
            }
            Subject::Unrecorded | Subject::Anybody => (Vec::new(), false),
        }
    }
}
