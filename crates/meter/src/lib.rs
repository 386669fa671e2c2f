//! What a process tree spends (time, CPU, memory, energy) and what the machine around it was doing meanwhile.
//!
//! This room starts a tree, reads counters and ends it; it knows nothing of arms, blocks or statistics, and it draws no
//! conclusion. Every figure it gives is of the whole tree: children, grandchildren, and orphans (this process becomes
//! the subreaper, so that a double fork does not get away).

mod counters;
pub mod energy;
mod linux;
pub mod machine;
mod memory;
mod tree;

pub use counters::{Counters, monotonic_ns, own_cpu_s, thread_cpu_s};
pub use linux::forks::{Fork, ForkWatch};
pub use memory::{Memory, Peaks, Sampler};
pub use tree::{End, Error, Launch, Status, Tree};
