//! Arms, blocks, the runner, the phase protocol, statistics and the record.
//!
//! A measurement flows one way through this crate: a [`workload::Workload`] and [`arm::Arm`]s
//! become runs, runs become lines of a [`record`], and a [`comparison::Comparison`] is computed
//! from the record alone, so that nothing is compared that is not on disk. This crate prints
//! nothing: it reports progress to its caller as [`runner::RunnerEvent`]s.

pub mod arm;
mod bytecode;
mod check;
pub mod compare;
pub mod comparison;
mod context;
mod cores;
mod diagnose;
mod error;
pub mod hazard;
pub mod load;
pub mod metric;
pub mod output;
pub mod phase;
pub mod plan;
pub mod record;
pub mod requests;
mod run;
pub mod runner;
mod serve;
mod session;
pub mod shell;
pub mod stats;
mod stop;
pub mod threshold;
mod waiting;
mod window;
pub mod workload;

pub use error::{Error, Failure};
pub use stop::Stop;
pub use ungil_meter::energy;
pub use ungil_meter::machine::Machine;
pub use ungil_pythons as pythons;
