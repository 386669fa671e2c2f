//! Handing things from thread to thread.
//!
//! [`Fifo`] is the one that matters: producers and consumers claim tickets by fetch-and-add and meet only in the cell of their
//! ticket. The others keep their items behind a lock that is held for a few instructions. None of them waits: what waits
//! (with its deadline, its signals and its event loops) is the caller's, by means of [`crate::park::WaitSet`].

mod exchange;
mod fifo;
mod heap;
mod holes;
mod reclaim;
mod segment;
mod stack;
mod trust;

pub use exchange::{Exchange, Met, Offer};
pub use fifo::Fifo;
pub use heap::Heap;
pub use stack::Stack;

/// Why nothing was put or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room (when putting) or no item (when taking).
    NotNow,
    /// The queue was closed (and, when taking, has been emptied).
    Closed,
}
