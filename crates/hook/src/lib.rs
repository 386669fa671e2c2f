//! The library that is loaded into a Python whose allocations are profiled, and the shared table
//! that it fills.
//!
//! The library wraps the interpreter's allocators of the domains *mem* and *object*, samples by
//! bytes, and aggregates the samples in a table in shared memory that ungil created. Nothing is
//! sent, so nothing can be lost, a killed target leaves its table behind, and ungil need not run
//! meanwhile. The crate is also linked into ungil, which reads the table by the constants in
//! [`wire`].
//!
//! Invariants, because the code runs inside other programs:
//!
//! - No Python memory is allocated and no reference count changes between the allocator's call and
//!   its return.
//! - No lock is taken: a thread that is stopped, or a process that forks, at any point blocks no
//!   other thread. Tables are insert-only, or are changed only by the thread that owns the block.
//! - A full table drops the sample and counts it. It never waits and never grows.
//! - After a fork the child passes calls through unchanged: the table belongs to its parent.
//! - The library is never unloaded. Stopping restores the allocators if nobody has wrapped them
//!   since; otherwise the wrappers stay in place and pass calls through.

pub mod sampling;
pub mod shape;
pub mod tables;
pub mod type_detection;
pub mod wire;

mod allocator;
mod block_types;
mod filter;
mod lifecycle;
mod python;
mod sampler;
mod stacks;

pub use lifecycle::{ungil_start, ungil_stop};
