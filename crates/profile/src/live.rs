//! Live monitoring for `ungil top`: samples a process at a steady rate and sums the samples up into
//! views for display.
//!
//! A [`Look`] holds what one sampling round saw of every thread. A [`Tally`] adds looks up. A
//! [`View`] is what is shown: the last seconds or the whole time, as plain numbers and text that
//! serialize to JSON. [`LiveMonitor`] produces looks and views in a thread of its own, at a rate
//! that keeps its cost within a budget.

mod cpu;
mod look;
mod memory;
mod monitor;
mod tally;
mod thread_reader;
mod view;
mod view_builder;

pub use look::{Look, ThreadObservation};
pub use monitor::{LiveMonitor, MonitorOptions, NextView};
pub use tally::{ContendedObject, StateSeconds, Tally};
pub use view::SCHEMA;
pub use view::{
    CollectorView, GilView, LineView, MemoryView, MonitoringCost, ObjectView, OtherThreads,
    ProcessView, Shares, StopTheWorldView, ThreadView, View, ViewSpan, WaitView,
};
