//! Joules, each with its evidence class.
//!
//! One sensor a file behind the one trait [`Sensor`]. A sensor measures *windows*: `begin`, any
//! number of `poll`s (often enough that a counter cannot wrap twice unseen), `end`. A window whose
//! counter jumped, vanished or refused is an error for that window with its reason, never a zero
//! and never a negative number.
//!
//! [`Request`] is what was asked for, [`open()`] gives the sensors. RAPL comes through [`powercap`]
//! or [`perf`], GPUs through [`nvml`], anything with a program that prints numbers through
//! [`meter`], and [`model`] is the estimate where there is nothing to read. [`counter`] is the
//! arithmetic that the first three share.

pub mod counter;
mod error;
pub mod meter;
pub mod model;
pub mod nvml;
mod open;
pub mod perf;
mod perf_event;
pub mod powercap;
mod request;
mod sysfs;
mod total;
mod window;
mod zones;

pub use error::Error;
pub use open::{Opened, open};
pub use request::{Choice, Request};
use serde::{Deserialize, Serialize};

/// How a joule came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// An external meter.
    Meter,
    /// A counter in the hardware (RAPL, NVML).
    Counter,
    /// Computed from a model with stated parameters.
    Model,
    /// Not known.
    None,
}

/// What a domain of energy covers; decides which may be added together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The whole platform (psys, a wall meter): contains everything else but possibly a GPU.
    Platform,
    /// One processor package (socket).
    Package,
    /// Memory attached to a package, outside of it.
    Dram,
    /// A part of a package (core, uncore): shown, never added.
    Part,
    /// A graphics processor or other accelerator.
    Gpu,
}

/// Energy of one domain over a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// `package-0`, `dram-0`, `psys`, `gpu-0 NVIDIA H100`.
    pub name: String,
    /// What it covers.
    pub scope: Scope,
    /// Microjoules spent in the window.
    pub microjoules: u64,
    /// Whether it is part of the total (nested and duplicate domains are not).
    pub counted: bool,
}

/// What one sensor says of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Sum of the counted domains, in microjoules.
    pub microjoules: u64,
    /// Lower and upper bound in microjoules, where the sensor is a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<(u64, u64)>,
    /// Every domain, counted or not.
    pub domains: Vec<Domain>,
}

/// What the measured tree did in a window; only a model needs it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Length of the window in seconds.
    pub wall_s: f64,
    /// CPU time of the measured tree in the window, in seconds.
    pub cpu_s: f64,
}

/// What a sensor is, for the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// `powercap`, `perf`, `nvml`, `meter`, `model`.
    pub sensor: String,
    /// The class of its joules.
    pub evidence: Evidence,
    /// One line: what it covers and with which parameters ("2 packages + 2 dram; psys not here").
    pub covers: String,
    /// What was seen and left out, and why ("intel-rapl-mmio:0 duplicates package-0").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A source of joules.
pub trait Sensor: Send {
    /// What this sensor is.
    fn about(&self) -> About;
    /// Opens a window now.
    ///
    /// # Errors
    /// When the counters cannot be read.
    fn begin(&mut self) -> Result<(), Error>;
    /// Looks at the counters so that no wrap is missed; cheap, called about once a second. An error
    /// is kept and given by [`Sensor::end`].
    fn poll(&mut self);
    /// Closes the window now. `usage` is used by models only.
    ///
    /// # Errors
    /// When no figure can be given for this window: the counter vanished, jumped or refused.
    fn end(&mut self, usage: &Usage) -> Result<Reading, Error>;
}
