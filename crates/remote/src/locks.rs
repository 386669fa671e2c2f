//! Locks of the target: what a thread waits for, who holds it, and how reliable that information
//! is.
//!
//! The kernel and the parking lot only give the address of a wait. [`structures`] finds the object
//! that the program knows: the `Queue` in whose `get` a thread sleeps rather than the bare lock
//! inside it. [`holders`] finds the holder from an owner field in the object, a `with` statement on
//! a stack, or a critical section. Nothing is guessed: a lock taken by a plain `acquire()` has no
//! identifiable holder, and none is reported.

pub mod holders;
mod package;
pub mod reader;
mod runtime;
pub mod structures;
pub mod types;

pub use holders::{Confidence, Hold};
pub use reader::LockReader;
