//! Reads a CPython process from outside, live or from a core file: threads, frames, locks, garbage
//! collector and heap.
//!
//! No code runs in the target, nothing is written to it, and it is not stopped. Its memory changes
//! while it is read, so every address is checked before it is used, every list has a maximum
//! length, and a result that is inconsistent is counted as torn and not shown. This crate does not
//! know about profiles and does not print.

mod arrival;
pub mod code;
mod corefile;
pub mod deadlock;
pub mod dicts;
pub mod discovery;
pub mod frames;
pub mod gc;
pub mod heap;
pub mod layout;
pub mod lines;
pub mod linux;
pub mod lock_order;
pub mod locks;
pub mod memory;
pub mod native;
mod nesting;
pub mod objects;
pub mod parking;
mod process;
mod python;
mod read_budget;
pub mod referrers;
pub mod sample;
pub mod snapshot;
pub mod source;
pub mod stop_the_world;
pub mod tasks;
pub mod thread_dump;
pub mod thread_observer;
pub mod thread_state;
pub mod unicode;
pub mod wait_target;
pub mod with_blocks;

pub use arrival::Arrival;
pub use corefile::{CoreError, CoreFile, CoreOptions, Death};
pub use parking::{Blocked, BlockedOn, Gils, Parking};
pub use process::{AttachError, Process, ProgramId};
pub use python::{Attachment, Interpreter, Python, Thread};
pub use thread_state::ThreadState;
pub use wait_target::{Releaser, WaitTarget, WaitedObject};
