//! Building blocks of a thread pool, without the threads: task queues and the waking of idle
//! workers ([`Scheduler`]), the number of workers ([`WorkerCount`]), the division of a sequence of
//! items among workers ([`ChunkDispenser`]), the state of one call ([`CallProgress`]), and
//! per-thread values ([`PerThread`]).
//!
//! The threads, and the meaning of a task, belong to the caller.

mod chunk_dispenser;
mod idle;
mod per_thread;
mod progress;
mod scheduler;
mod worker_count;

pub use chunk_dispenser::ChunkDispenser;
pub use idle::Idle;
pub use per_thread::PerThread;
pub use progress::{CallProgress, CallState, TransitionError};
pub use scheduler::{Scheduler, WorkerQueue};
pub use worker_count::WorkerCount;
