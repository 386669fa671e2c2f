//! Handing things from thread to thread.
//!
//! [`Fifo`] is the one that matters: producers and consumers claim tickets by fetch-and-add and
//! meet only in the cell of their ticket. The others keep their items behind a lock that is held
//! for a few instructions. None of them waits: what waits (with its deadline, its signals and its
//! event loops) is the caller's, by means of [`crate::park::WaitSet`].

mod error;
mod exchange;
mod fifo;
mod heap;
mod holes;
mod reclaim;
mod segment;
mod stack;
mod trust;

pub use error::{TryPopError, TryPushError};
pub use exchange::{Exchange, Met, Offer};
pub use fifo::Fifo;
pub use heap::Heap;
pub use stack::Stack;
