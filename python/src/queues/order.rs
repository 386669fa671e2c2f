//! The three orders of a queue, and putting and taking items.

#![allow(unsafe_code)]

use super::priority::PriorityHeap;
use crate::object::{Object, Word, word};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::queue::{Fifo, Stack, TryPopError, TryPushError};

/// A queue's storage, by the order in which items come out.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one per queue, in a box; another box would be one more indirection per call"
)]
pub(super) enum QueueOrder {
    Fifo(Fifo<Object>),
    Lifo(Stack<Object>),
    Priority(PriorityHeap),
}

/// Evaluates an expression for whichever storage it is.
macro_rules! each {
    ($order:expr, $queue:ident => $what:expr) => {
        match $order {
            QueueOrder::Fifo($queue) => $what,
            QueueOrder::Lifo($queue) => $what,
            QueueOrder::Priority($queue) => $what,
        }
    };
}

impl QueueOrder {
    #[inline]
    pub(super) fn put(
        &self,
        py: Python<'_>,
        item: Word,
    ) -> PyResult<Result<(), TryPushError<Word>>> {
        match self {
            Self::Fifo(queue) => Ok(queue.put(item)),
            Self::Lifo(stack) => Ok(stack.put(item)),
            Self::Priority(heap) => heap.put(py, item),
        }
    }

    #[inline]
    pub(super) fn take(&self, py: Python<'_>) -> PyResult<Result<Word, TryPopError>> {
        match self {
            Self::Fifo(queue) => Ok(queue.take()),
            Self::Lifo(stack) => Ok(stack.take()),
            Self::Priority(heap) => heap.take(py),
        }
    }

    /// Takes all items out, for the collector, except those that a Python comparison is working on.
    pub(super) fn clear(&self) -> Vec<Word> {
        match self {
            Self::Fifo(queue) => std::iter::from_fn(|| queue.take().ok()).collect(),
            Self::Lifo(stack) => std::iter::from_fn(|| stack.take().ok()).collect(),
            Self::Priority(heap) => heap.clear(),
        }
    }

    /// Passes every item to the collector.
    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut outcome = Ok(());
        let each = |item: &Word| {
            if outcome.is_ok() {
                outcome = word::visit_word(item, visit);
            }
        };
        match self {
            // SAFETY: `visit` exists only during `__traverse__`, while every other thread is
            // stopped.
            Self::Fifo(queue) => unsafe { queue.for_each(each) },
            Self::Lifo(stack) => stack.for_each(each),
            Self::Priority(heap) => heap.for_each(each),
        }
        outcome
    }
}
pub(super) use each;
