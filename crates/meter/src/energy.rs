//! Energy sensors. Every figure in joules has an evidence class.
//!
//! Each sensor is a file that implements the trait [`Sensor`]. A sensor measures *windows*:
//! `begin`, any number of `poll`s (often enough that a counter cannot wrap twice unnoticed), `end`.
//! If a counter jumped, vanished or could not be read during a window, the window gives an error
//! with the reason, never zero and never a negative number.
//!
//! [`Request`] is the parsed `--energy`, and [`open()`] opens its sensors. RAPL is read through
//! [`powercap`] or [`perf`], GPUs through [`nvml`], any program that prints numbers through
//! [`meter`], and [`model`] is an estimate for machines without a sensor. [`counter`] is the
//! arithmetic shared by the first three.

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

pub use error::EnergyError;
pub use open::{Opened, open};
pub use request::{Choice, Request};
use serde::{Deserialize, Serialize};

/// The evidence class of a figure in joules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// An external meter.
    Meter,
    /// A counter in the hardware (RAPL, NVML).
    Counter,
    /// Computed from a model with stated parameters.
    Model,
    /// No figure.
    None,
}

/// What a domain covers, which decides whether domains may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The whole platform (psys, a wall meter): includes everything else except possibly a GPU.
    Platform,
    /// One processor package (socket).
    Package,
    /// Memory attached to a package, not included in it.
    Dram,
    /// A part of a package (core, uncore): displayed, but never added.
    Part,
    /// A graphics processor or other accelerator.
    Gpu,
}

/// Energy of one domain over a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// The name: `package-0`, `dram-0`, `psys`, `gpu-0 NVIDIA H100`.
    pub name: String,
    pub scope: Scope,
    /// Microjoules used in the window.
    pub microjoules: u64,
    /// Whether it is part of the total (nested and duplicate domains are not).
    pub counted: bool,
}

/// The result of one sensor for one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Sum of the counted domains, in microjoules.
    pub microjoules: u64,
    /// Lower and upper bound in microjoules, if the sensor is a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<(u64, u64)>,
    /// Every domain, counted or not.
    pub domains: Vec<Domain>,
}

/// What the measured tree used in a window. Only models need it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Length of the window in seconds.
    pub wall_s: f64,
    /// CPU time of the measured tree in the window, in seconds.
    pub cpu_s: f64,
}

/// Description of a sensor, for the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The name: `powercap`, `perf`, `nvml`, `meter` or `model`.
    pub sensor: String,
    /// The evidence class of its figures.
    pub evidence: Evidence,
    /// One line that says what it covers and with which parameters ("2 packages + 2 dram; no
    /// psys").
    pub covers: String,
    /// What was found but left out, and why ("intel-rapl-mmio:0 duplicates package-0").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A sensor of energy.
pub trait Sensor: Send {
    /// Describes this sensor.
    fn about(&self) -> About;
    /// Opens a window now.
    ///
    /// # Errors
    /// If the counters cannot be read.
    fn begin(&mut self) -> Result<(), EnergyError>;
    /// Reads the counters so that no wrap is missed. It is cheap and called about once per second.
    /// An error is kept and returned by [`Sensor::end`].
    fn poll(&mut self);
    /// Closes the window now. Only models use `usage`.
    ///
    /// # Errors
    /// If there is no figure for this window: a counter vanished, jumped or could not be read.
    fn end(&mut self, usage: &Usage) -> Result<Reading, EnergyError>;
}
