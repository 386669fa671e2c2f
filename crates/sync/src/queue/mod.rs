//! Queues that pass items between threads.
//!
//! [`Fifo`] is lock-free: producers and consumers claim tickets by fetch-and-add and meet only in
//! the cell of their ticket. The others keep their items behind a lock that is held for a few
//! instructions. None of them blocks. Waiting, with deadlines, signals and event loops, is left to
//! the caller, who uses [`crate::park::WaitSet`].

mod abandoned_tickets;
mod error;
mod exchange;
mod fifo;
mod heap;
mod optimism_hint;
mod reclaim;
mod segment;
mod stack;

pub use error::{TryPopError, TryPushError};
pub use exchange::{Exchange, Offer, OfferOutcome};
pub use fifo::Fifo;
pub use heap::Heap;
pub use stack::Stack;
