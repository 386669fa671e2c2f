//! Runs a Python program again and again under the race detector (`ungil-race`), and says what it
//! found.
//!
//! The detector is loaded into the program and writes what it sees (`event`). This crate starts the
//! program with other pauses each time (`search`), names what was found and suggests a fix
//! (`finding`), finds cycles in the order of locks (`lock_cycle`), and shows a finding again
//! (`replay`).

mod event;
mod finding;
mod lock_cycle;
pub mod render;
mod replay;
mod search;
mod source;

pub use event::{AccessSide, HeldCount, HeldLock, Part, Pattern, StackFrame};
pub use finding::{Finding, Level};
pub use replay::{Replay, Schedule, replay};
pub use search::{Program, SearchOptions, SearchReport, StressError, schedules, search};
