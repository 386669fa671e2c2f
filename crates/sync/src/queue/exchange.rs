//! Two threads meet and swap what they brought.

#![allow(unsafe_code)]

use crate::park::Parker;
use crate::slot::{Counted, Slot};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One who came first, and waits. Afterwards `brought` is the other's.
pub struct Offer {
    /// Raised when the other has come.
    pub parker: Parker,
    brought: Slot,
    /// The process of the thread that waits: a forked child has its memory without having the thread.
    process: u32,
}

/// What came of a visit.
pub enum Met {
    /// The other was there: this is what it brought.
    Other(u64),
    /// Nobody was there: wait, then ask [`Exchange::leave`].
    Nobody(Arc<Offer>),
}

/// The meeting place.
pub struct Exchange<C: Counted> {
    waiting: Mutex<Option<Arc<Offer>>>,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Default for Exchange<C> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), counted: PhantomData }
    }
}

impl<C: Counted> Exchange<C> {
    fn waiting(&self) -> MutexGuard<'_, Option<Arc<Offer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes with `word`, whose count passes on.
    pub fn come(&self, word: u64) -> Met {
        let process = std::process::id();
        let subject = std::ptr::from_ref(self).addr();
        let mine = Arc::new(Offer { parker: Parker::new(subject), brought: Slot::new(word), process });
        let mut waiting = self.waiting();
        let first = waiting.take();
        match first {
            Some(first) if first.process == process => {
                drop(waiting);
                // The offer was taken out by this thread, so its waiter looks at it only when it has been woken.
                let theirs = first.brought.swap(mine.brought.swap(0));
                first.parker.unpark();
                Met::Other(theirs)
            }
            forgotten => {
                *waiting = Some(mine.clone());
                drop(waiting);
                // Only memory: what it brought is left to the parent's thread, which is not here to drop it.
                drop(forgotten);
                Met::Nobody(mine)
            }
        }
    }

    /// Ends a wait. `Ok`: the other came, and brought this. `Err`: it did not; here is what was brought in vain.
    pub fn leave(&self, offer: &Arc<Offer>) -> Result<u64, u64> {
        {
            let mut waiting = self.waiting();
            if waiting.as_ref().is_some_and(|there| Arc::ptr_eq(there, offer)) {
                *waiting = None;
                return Err(offer.brought.swap(0));
            }
        }
        // Taken out by one who is about to raise the flag: a few instructions.
        while !offer.parker.is_raised() {
            std::thread::yield_now();
        }
        Ok(offer.brought.swap(0))
    }

    /// What the one who waits has brought, for one who is alone with this (the collector, while all threads stand still).
    pub fn for_each(&self, mut each: impl FnMut(u64)) {
        if let Some(offer) = self.waiting().as_ref() {
            each(offer.brought.peek());
        }
    }
}
