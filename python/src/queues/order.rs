//! The three orders in which a queue may give its items, and the items' way in and out.

#![allow(unsafe_code)]

use super::ranked::Ranked;
use crate::object::{Object, Word, word};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::queue::{Fifo, Stack, TryPopError, TryPushError};

/// In what order items come out.
#[allow(
    clippy::large_enum_variant,
    reason = "one a queue, in a box; another box would be one more step on every call"
)]
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
    pub(super) fn put(
        &self,
        py: Python<'_>,
        item: Word,
    ) -> PyResult<Result<(), TryPushError<Word>>> {
        match self {
            Self::Fifo(queue) => Ok(queue.put(item)),
            Self::Lifo(stack) => Ok(stack.put(item)),
            Self::Ranked(ranked) => ranked.put(py, item),
        }
    }

    #[inline]
    pub(super) fn take(&self, py: Python<'_>) -> PyResult<Result<Word, TryPopError>> {
        match self {
            Self::Fifo(queue) => Ok(queue.take()),
            Self::Lifo(stack) => Ok(stack.take()),
            Self::Ranked(ranked) => ranked.take(py),
        }
    }

    /// Takes everything out for the collector. What a comparison is at work on stays.
    pub(super) fn clear(&self) -> Vec<Word> {
        match self {
            Self::Fifo(queue) => std::iter::from_fn(|| queue.take().ok()).collect(),
            Self::Lifo(stack) => std::iter::from_fn(|| stack.take().ok()).collect(),
            Self::Ranked(ranked) => ranked.clear(),
        }
    }

    /// Shows the collector every item.
    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut outcome = Ok(());
        let each = |item: &Word| {
            if outcome.is_ok() {
                outcome = word::visit_word(item, visit);
            }
        };
        match self {
            // SAFETY: `visit` exists only in `__traverse__`, when every other thread stands still.
            Self::Fifo(queue) => unsafe { queue.for_each(each) },
            Self::Lifo(stack) => stack.for_each(each),
            Self::Ranked(ranked) => ranked.for_each(each),
        }
        outcome
    }
}
pub(super) use each;
