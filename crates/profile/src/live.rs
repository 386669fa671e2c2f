//! A program while it runs: looks at a steady pace, summed up into views that somebody watches.
//!
//! A [`Look`] is what one moment shows of every thread. A [`Tally`] adds looks up. A [`View`] is
//! what a reader is shown: the last seconds or the whole time, in plain numbers and words that can
//! be written as JSON. [`Live`] makes looks and views in a thread of its own, at a pace that keeps
//! its cost under what was allowed.

mod look;
mod make;
mod memory;
mod reader;
mod run;
mod spent;
mod tally;
mod view;

pub use look::{Look, Seen};
pub use run::{Live, Next, Pace};
pub use tally::{Contended, Seconds, Tally};
pub use view::SCHEMA;
pub use view::{
    Cost, GilView, LineView, MemoryView, ObjectView, OtherThreads, PauseView, ProcessView, Shares,
    Span, ThreadView, View, WaitView, WorldView,
};
