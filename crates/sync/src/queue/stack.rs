//! Last in, first out. Both sides work at the same end, so there is nothing to spread: a lock held
//! for one push or pop is as good as a lock-free stack here, and its order is exact.

use super::error::{TryPopError, TryPushError};
use crate::owned::{Counted, Owned};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct State<C: Counted> {
    items: Vec<Owned<C>>,
    closed: bool,
    puts: u64,
}

/// The stack.
pub struct Stack<C: Counted> {
    state: Mutex<State<C>>,
    bound: usize,
}

impl<C: Counted> Stack<C> {
    /// Makes an empty stack for at most `bound` items, or for any number.
    pub fn new(bound: Option<u64>) -> Self {
        let bound = bound.and_then(|bound| bound.try_into().ok()).unwrap_or(usize::MAX);
        Self { state: Mutex::new(State { items: Vec::new(), closed: false, puts: 0 }), bound }
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `item` on top.
    pub fn put(&self, item: Owned<C>) -> Result<(), TryPushError<Owned<C>>> {
        let mut state = self.state();
        if state.closed {
            return Err(TryPushError::Closed(item));
        }
        if state.items.len() >= self.bound {
            return Err(TryPushError::Full(item));
        }
        state.items.push(item);
        state.puts += 1;
        Ok(())
    }

    /// Takes the top off.
    pub fn take(&self) -> Result<Owned<C>, TryPopError> {
        let mut state = self.state();
        let closed = state.closed;
        state.items.pop().ok_or(TryPopError::of_empty(closed))
    }

    /// Refuses all puts from now on.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// How many items there are.
    pub fn len(&self) -> u64 {
        self.state().items.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// How many puts have succeeded.
    pub fn puts(&self) -> u64 {
        self.state().puts
    }

    /// Shows every item, under the lock: for the collector, while all threads stand still.
    pub fn for_each(&self, each: impl FnMut(&Owned<C>)) {
        self.state().items.iter().for_each(each);
    }
}

impl<C: Counted> Drop for Stack<C> {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.state().items);
        items.into_iter().for_each(Owned::dispose);
    }
}
