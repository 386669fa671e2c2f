//! Arms, blocks, the runner, the phase protocol, statistics and the record.
//!
//! A measurement flows one way through this room: a [`workload::Workload`] and [`arm::Arm`]s become
//! runs, runs become lines of a [`record`], and the record alone becomes a
//! [`comparison::Comparison`]: nothing is compared that is not on disk. This room prints nothing;
//! whoever calls it is told what happens through [`runner::Event`]s.

pub mod arm;
mod blame;
pub mod bound;
mod bytecode;
mod check;
pub mod compare;
pub mod comparison;
mod context;
mod cores;
mod error;
pub mod hazard;
pub mod load;
pub mod metric;
pub mod output;
pub mod phase;
pub mod plan;
pub mod record;
mod run;
pub mod runner;
mod serve;
pub mod served;
mod session;
pub mod shell;
pub mod stats;
mod stop;
mod waiting;
mod window;
pub mod workload;

pub use error::{Error, Failure};
pub use stop::Stop;
pub use ungil_meter::energy;
pub use ungil_meter::machine::Machine;
pub use ungil_pythons as pythons;
