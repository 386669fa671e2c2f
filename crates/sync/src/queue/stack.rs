//! A LIFO queue. Producers and consumers work on the same end, so a lock held for one push or pop
//! performs as well as a lock-free stack, and the order is exact.

use super::error::{TryPopError, TryPushError};
use crate::owned::{Counted, Owned};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct StackState<C: Counted> {
    items: Vec<Owned<C>>,
    closed: bool,
    puts: u64,
}

/// The stack.
pub struct Stack<C: Counted> {
    state: Mutex<StackState<C>>,
    bound: usize,
}

impl<C: Counted> Stack<C> {
    /// Creates an empty stack for at most `bound` items, or unbounded.
    pub fn new(bound: Option<u64>) -> Self {
        let bound = bound.and_then(|bound| bound.try_into().ok()).unwrap_or(usize::MAX);
        Self { state: Mutex::new(StackState { items: Vec::new(), closed: false, puts: 0 }), bound }
    }

    fn state(&self) -> MutexGuard<'_, StackState<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes `item`.
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

    /// Pops the newest item.
    pub fn take(&self) -> Result<Owned<C>, TryPopError> {
        let mut state = self.state();
        let closed = state.closed;
        state.items.pop().ok_or(TryPopError::of_empty(closed))
    }

    /// Closes the stack: all later puts fail.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// Returns the number of items.
    pub fn len(&self) -> u64 {
        self.state().items.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true if the stack is closed.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Returns the number of successful puts.
    pub fn puts(&self) -> u64 {
        self.state().puts
    }

    /// Calls `each` with every item, under the lock. For the garbage collector, while all threads
    /// are stopped.
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
