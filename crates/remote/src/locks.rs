//! Locks of the target: which is waited for, who holds it, and how surely that is known.
//!
//! What the kernel and the parking lot say of a wait is an address. [`structures`] finds the object
//! a program knows: the `Queue` in whose `get` a thread sleeps rather than the bare lock inside it.
//! [`holders`] finds who has it: an owner written into the object, a `with` on a stack, a critical
//! section. Nothing is guessed: a lock taken by a plain `acquire()` has no holder that can be told,
//! and none is named.

pub mod holders;
mod package;
pub mod reader;
mod runtime;
pub mod structures;
pub mod types;

pub use holders::{Confidence, Hold};
pub use reader::Reader;
