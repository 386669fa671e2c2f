//! Allocations by line, type and thread, of a program that ungil starts or of a running process.
//!
//! The library of `ungil-hook` samples inside the target and fills a table in shared memory. This
//! module creates the table, loads the library into the target ([`launch`], [`attach`]), and
//! decodes the table afterwards ([`Allocations`]).

mod attach;
mod decode;
mod error;
mod launch;
mod lines;
mod notes;
mod profile;
mod render;
mod table;

pub use attach::{AttachRequest, attach};
pub use error::AllocError;
pub use launch::{LaunchRequest, launch};
pub use lines::{LineAllocations, TypeShare};

use cpython_layout::Version;
use serde::Serialize;
use std::rc::Rc;

/// Default mean number of bytes between two samples. A heap of 100 MiB gives 1,600 samples, and a
/// line that holds a tenth of it is known to 8 %.
pub const DEFAULT_SAMPLE_BYTES: u64 = 64 << 10;

/// The library, compiled by the build script.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ungil_hook.so"));

/// An allocation profile: what was allocated, where, by which thread, and whether it was freed.
#[derive(Debug, Default, Clone)]
pub struct Allocations {
    /// Process id in the target's own namespace.
    pub pid: u32,
    /// Version of its Python.
    pub version: Option<Version>,
    /// Whether it is a free-threaded build.
    pub free_threaded: bool,
    /// Mean number of bytes between two samples; 1 means that every block is counted.
    pub every: u64,
    /// Duration in seconds; `None` if the end was not reached.
    pub duration_s: Option<f64>,
    /// Allocations, counted one by one.
    pub allocations: u64,
    /// Bytes asked for, counted one by one.
    pub bytes: u64,
    /// Estimated maximum of bytes live at once, of those allocated since the start.
    pub peak_bytes: u64,
    /// Threads that allocated.
    pub threads: Vec<AllocatingThread>,
    /// Stacks, outermost frame first.
    pub stacks: Vec<Vec<SourceLine>>,
    /// Sums by stack, thread, type and fate, the largest first.
    pub rows: Vec<AllocationRow>,
    /// Cost of the profiling.
    pub cost: HookCost,
    /// How it ended.
    pub end: AllocEnd,
    /// Limits of the figures: one sentence each.
    pub notes: Vec<String>,
}

/// A thread that allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AllocatingThread {
    #[serde(skip)]
    row: u32,
    /// Kernel thread id.
    pub id: u64,
    /// Thread name in the kernel, which Python sets from 3.14 on; `main` for the main thread.
    pub name: String,
    /// Allocations, counted one by one.
    pub allocations: u64,
    /// Bytes asked for, counted one by one.
    pub bytes: u64,
    /// Number of samples.
    pub samples: u64,
    /// Nanoseconds that it spent on sampling.
    pub spent_ns: u64,
}

/// A line of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceLine {
    /// File name, as the interpreter has it; empty if there is none.
    pub file: Rc<str>,
    /// Qualified name of the function, or a placeholder in parentheses.
    pub function: Rc<str>,
    /// The function's first line.
    pub first: u32,
    /// The line.
    pub line: u32,
}

impl SourceLine {
    fn unknown(why: &str) -> SourceLine {
        SourceLine { file: "".into(), function: why.into(), first: 0, line: 0 }
    }
}

/// The fate of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockFate {
    /// All blocks, live and freed, by line but without types.
    Allocated,
    /// Freed before the end. Types were read on release.
    Freed,
    /// Live at the end. Types were read then.
    Live,
}

/// Blocks of one stack, thread, type and fate.
#[derive(Debug, Clone)]
pub struct AllocationRow {
    /// Index of [`Allocations::stacks`].
    pub stack: usize,
    /// Index of [`Allocations::threads`].
    pub thread: Option<usize>,
    /// The type, or a placeholder in parentheses; empty for [`BlockFate::Allocated`].
    pub kind: Rc<str>,
    /// Their fate.
    pub fate: BlockFate,
    /// Their number and size.
    pub sum: AllocationSum,
}

/// A sum over sampled blocks; exact if every block was sampled.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct AllocationSum {
    /// Samples.
    pub samples: u64,
    /// Estimated number of blocks.
    pub blocks: f64,
    /// Estimated number of bytes.
    pub bytes: f64,
    /// Estimated variance of the bytes.
    pub variance: f64,
}

impl AllocationSum {
    /// Adds another sum.
    pub fn add(&mut self, other: &AllocationSum) {
        self.samples += other.samples;
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.variance += other.variance;
    }

    /// Returns the standard error of the bytes.
    pub fn error(&self) -> f64 {
        self.variance.sqrt()
    }
}

/// Cost of the profiling in the target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct HookCost {
    /// Additional nanoseconds for counting one allocation and its release, measured at the start.
    pub pair_ns: f64,
    /// Samples.
    pub samples: u64,
    /// Seconds that all threads together spent on samples and on releases of sampled blocks.
    pub samples_s: f64,
    /// CPU seconds of the target meanwhile; `None` if its end was not seen.
    pub processor_s: Option<f64>,
}

/// How an allocation profile ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AllocEnd {
    /// As requested, including the types of live blocks.
    Whole,
    /// Sampling was stopped, but the types of live blocks could not be read.
    Cut,
    /// The target ended without stopping the profile.
    #[default]
    Lost,
}

impl Allocations {
    /// Returns the sum of all rows of one fate.
    pub fn total(&self, fate: BlockFate) -> AllocationSum {
        let mut total = AllocationSum::default();
        self.rows.iter().filter(|r| r.fate == fate).for_each(|r| total.add(&r.sum));
        total
    }

    /// Returns the seconds that the profiling cost all threads together: measured for samples, and
    /// [`HookCost::pair_ns`] for every allocation.
    pub fn cost_s(&self) -> f64 {
        self.cost.samples_s + self.allocations as f64 * self.cost.pair_ns / 1e9
    }
}
