//! The three orders in which a queue may give its items, and the items' way in and out.

use super::ranked::Ranked;
use crate::object::{Object, decode};
use pyo3::prelude::*;
use ungil_sync::queue::{Fifo, Refused, Stack};
use ungil_sync::slot::Counted;

/// In what order items come out.
pub(super) enum Order {
    Fifo(Fifo<Object>),
    Lifo(Stack<Object>),
    Ranked(Ranked),
}

/// Does the same with each.
macro_rules! each {
    ($order:expr, $queue:ident => $what:expr) => {
        match $order {
            Order::Fifo($queue) => $what,
            Order::Lifo($queue) => $what,
            Order::Ranked($queue) => $what,
        }
    };
}

impl Order {
    #[inline]
    pub(super) fn put(&self, py: Python<'_>, word: u64) -> PyResult<Result<(), Refused>> {
        match self {
            Self::Fifo(queue) => Ok(queue.put(word)),
            Self::Lifo(stack) => Ok(stack.put(word)),
            Self::Ranked(ranked) => ranked.put(py, word),
        }
    }

    #[inline]
    pub(super) fn take(&self, py: Python<'_>) -> PyResult<Result<u64, Refused>> {
        match self {
            Self::Fifo(queue) => Ok(queue.take()),
            Self::Lifo(stack) => Ok(stack.take()),
            Self::Ranked(ranked) => ranked.take(py),
        }
    }
}
pub(super) use each;

/// Drops an item.
#[allow(unsafe_code)]
pub(super) fn release(word: u64) {
    // SAFETY: the callers' own count, and no lock is held.
    unsafe { Object::release(word) }
}

/// Makes an item a value again.
#[allow(unsafe_code)]
#[inline]
pub(super) fn value(py: Python<'_>, word: u64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: the callers' own count.
    unsafe { decode(py, word) }
}

/// Words on their way; those that do not arrive are dropped.
#[derive(Default)]
pub(super) struct Words(pub(super) Vec<u64>);

impl Drop for Words {
    fn drop(&mut self) {
        self.0.drain(..).for_each(release);
    }
}
