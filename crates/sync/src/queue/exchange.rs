//! A rendezvous at which two threads swap one item each (Java's `Exchanger`).

use crate::owned::{Counted, Owned};
use crate::park::Parker;
use crate::slot::Slot;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The item of a thread that waits for a partner. Once the parker is raised, `item` is the
/// partner's.
pub struct Offer<C: Counted> {
    /// Raised by the partner.
    pub parker: Parker,
    item: Slot<C>,
    /// Process id of the waiting thread. A forked child has a copy of the offer but not the thread.
    process: u32,
}

/// Result of [`Exchange::offer`].
pub enum OfferOutcome<C: Counted> {
    /// A partner was waiting. Holds its item.
    Partner(Option<Owned<C>>),
    /// No partner was waiting. The caller waits, then calls [`Exchange::finish`].
    Waiting(Arc<Offer<C>>),
}

/// The rendezvous.
pub struct Exchange<C: Counted> {
    waiting: Mutex<Option<Arc<Offer<C>>>>,
}

impl<C: Counted> Default for Exchange<C> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<C: Counted> Exchange<C> {
    fn waiting(&self) -> MutexGuard<'_, Option<Arc<Offer<C>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers `item`. Swaps it with a waiting partner's item if there is one.
    pub fn offer(&self, item: Owned<C>) -> OfferOutcome<C> {
        let process = std::process::id();
        let mut waiting = self.waiting();
        match waiting.take() {
            Some(first) if first.process == process => {
                drop(waiting);
                // This thread removed the offer, so its owner reads `item` only after the wake-up.
                let theirs = first.item.swap(item);
                first.parker.unpark();
                OfferOutcome::Partner(theirs)
            }
            stale => {
                let subject = std::ptr::from_ref(self).addr();
                let mine = Arc::new(Offer {
                    parker: Parker::new(subject),
                    item: Slot::new(item),
                    process,
                });
                *waiting = Some(mine.clone());
                drop(waiting);
                // Only memory: a stale offer belongs to a thread of the parent process, which
                // cannot drop it here.
                drop(stale);
                OfferOutcome::Waiting(mine)
            }
        }
    }

    /// Ends a wait. Returns the partner's item, or drops the caller's own item and returns `None`
    /// if no partner came.
    pub fn finish(&self, offer: &Arc<Offer<C>>) -> Option<Owned<C>> {
        let mut waiting = self.waiting();
        if waiting.as_ref().is_some_and(|current| Arc::ptr_eq(current, offer)) {
            *waiting = None;
            drop(waiting);
            drop(offer.item.take());
            return None;
        }
        drop(waiting);
        // A partner has removed the offer and raises the parker within a few instructions.
        while !offer.parker.is_raised() {
            std::thread::yield_now();
        }
        offer.item.take()
    }

    /// Calls `each` with the waiting item, under the lock. For the garbage collector, while all
    /// threads are stopped.
    pub fn for_each(&self, mut each: impl FnMut(&Slot<C>)) {
        if let Some(offer) = self.waiting().as_ref() {
            each(&offer.item);
        }
    }
}
