//! What a pool of workers is made of, without the workers: where tasks lie and how idle workers
//! hear of them ([`Scheduler`]), how many workers there may be ([`Staff`]), how a row of items is
//! divided while it is worked on ([`Split`]), how far one call has come ([`Progress`]), and values
//! of which each thread has its own ([`PerThread`]).
//!
//! The threads themselves, and whatever a task is, belong to the user of this room.

mod idle;
mod per_thread;
mod progress;
mod scheduler;
mod split;
mod staff;

pub use idle::Idle;
pub use per_thread::PerThread;
pub use progress::{Phase, Progress, Refused};
pub use scheduler::{Scheduler, Seat};
pub use split::Split;
pub use staff::Staff;
