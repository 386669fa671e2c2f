//! Two threads meet and swap what they brought.

use crate::owned::{Counted, Owned};
use crate::park::Parker;
use crate::slot::Slot;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One who came first, and waits. Once the parker is raised, `brought` is the other's.
pub struct Offer<C: Counted> {
    /// Raised when the other has come.
    pub parker: Parker,
    brought: Slot<C>,
    /// The process of the thread that waits: a forked child has its memory without having the
    /// thread.
    process: u32,
}

/// The outcome of [`Exchange::come`].
pub enum Met<C: Counted> {
    /// The other was there, and brought this.
    Other(Option<Owned<C>>),
    /// Nobody was there: wait, then call [`Exchange::leave`].
    Nobody(Arc<Offer<C>>),
}

/// The meeting place.
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

    /// Comes with `item`.
    pub fn come(&self, item: Owned<C>) -> Met<C> {
        let process = std::process::id();
        let mut waiting = self.waiting();
        match waiting.take() {
            Some(first) if first.process == process => {
                drop(waiting);
                // This thread took the offer out, so its waiter looks at it only when it has been
                // woken.
                let theirs = first.brought.swap(item);
                first.parker.unpark();
                Met::Other(theirs)
            }
            forgotten => {
                let subject = std::ptr::from_ref(self).addr();
                let mine = Arc::new(Offer {
                    parker: Parker::new(subject),
                    brought: Slot::new(item),
                    process,
                });
                *waiting = Some(mine.clone());
                drop(waiting);
                // Only memory: the offer itself is the parent's thread's, which is not here to drop
                // it.
                drop(forgotten);
                Met::Nobody(mine)
            }
        }
    }

    /// Ends a wait: what the other brought, if it came. If it did not, the item that the caller
    /// brought is dropped.
    pub fn leave(&self, offer: &Arc<Offer<C>>) -> Option<Owned<C>> {
        let mut waiting = self.waiting();
        if waiting.as_ref().is_some_and(|there| Arc::ptr_eq(there, offer)) {
            *waiting = None;
            drop(waiting);
            drop(offer.brought.take());
            return None;
        }
        drop(waiting);
        // Taken out by one who is about to raise the flag: a few instructions.
        while !offer.parker.is_raised() {
            std::thread::yield_now();
        }
        offer.brought.take()
    }

    /// Shows what the one who waits has brought, under the lock: for the collector, while all
    /// threads stand still.
    pub fn for_each(&self, mut each: impl FnMut(&Slot<C>)) {
        if let Some(offer) = self.waiting().as_ref() {
            each(&offer.brought);
        }
    }
}
