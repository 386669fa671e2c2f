//! The library that is loaded into a Python whose allocations are profiled, and the table it fills.
//!
//! It wraps the interpreter's allocators of the domains *mem* and *object*, samples by bytes, and
//! aggregates what it samples in a table in shared memory that ungil made: nothing is sent, so
//! nothing can be lost on the way, a target that is killed leaves its table behind, and ungil need
//! not run meanwhile. The same crate is linked into ungil, which reads the table by the constants
//! in [`wire`].
//!
//! What must stay true of everything here, since it runs inside somebody else's program:
//!
//! - No Python memory is allocated and no reference is counted between the allocator's call and its
//!   return.
//! - No lock is taken: a thread that is stopped, or a process that forks, anywhere in here blocks
//!   nobody. Tables are insert-only or are changed by the one thread that owns the block.
//! - A table that is full drops a sample and counts it. It never waits and never grows.
//! - After a fork the child passes everything through: the table is its parent's.
//! - The library is never unloaded. Stopping restores the allocators if nobody has wrapped them
//!   since, and otherwise leaves the wrapper in place, passing through.

pub mod sampling;
pub mod shape;
pub mod tables;
pub mod type_detection;
pub mod wire;

mod allocator;
mod block_types;
mod filter;
mod python;
mod sampler;
mod stacks;

pub use allocator::{ungil_start, ungil_stop};
