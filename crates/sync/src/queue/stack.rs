//! Last in, first out. Both sides work at the same end, so there is nothing to spread: a lock held for one push or pop is as
//! good as a lock-free stack here, and its order is exact.

#![allow(unsafe_code)]

use super::Refused;
use crate::slot::Counted;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    words: Vec<u64>,
    closed: bool,
    puts: u64,
}

/// The stack. It owns one count of each word in it.
pub struct Stack<C: Counted> {
    state: Mutex<State>,
    bound: usize,
    counted: PhantomData<fn(C)>,
}

impl<C: Counted> Stack<C> {
    /// An empty stack for at most `bound` items, or for any number.
    pub fn new(bound: Option<u64>) -> Self {
        let bound = bound.and_then(|bound| bound.try_into().ok()).unwrap_or(usize::MAX);
        Self { state: Mutex::default(), bound, counted: PhantomData }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `word` on top; its count passes to the stack unless it is refused.
    pub fn put(&self, word: u64) -> Result<(), Refused> {
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.words.len() >= self.bound {
            return Err(Refused::NotNow);
        }
        state.words.push(word);
        state.puts += 1;
        Ok(())
    }

    /// Takes the top off, with its count.
    pub fn take(&self) -> Result<u64, Refused> {
        let mut state = self.state();
        let closed = state.closed;
        state.words.pop().ok_or(if closed { Refused::Closed } else { Refused::NotNow })
    }

    /// Refuses all puts from now on.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// How many items there are.
    pub fn len(&self) -> u64 {
        self.state().words.len() as u64
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

    /// Shows every word, for one who is alone with the stack (the collector, while all threads stand still).
    pub fn for_each(&self, each: impl FnMut(u64)) {
        self.state().words.iter().copied().for_each(each);
    }
}

impl<C: Counted> Drop for Stack<C> {
    fn drop(&mut self) {
        let words = std::mem::take(&mut self.state().words);
        // SAFETY: the stack owned these counts.
        unsafe { C::dispose(&mut words.into_iter()) };
    }
}
