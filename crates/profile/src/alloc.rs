//! Allocations by line, type and thread, for a program that ungil starts or one that lets itself be
//! asked.
//!
//! The library of `ungil-hook` does the sampling inside the target and fills a table in shared
//! memory. Here is the rest: making the table, having the library loaded ([`launch`], [`attach`]),
//! and making sense of the table afterwards ([`Allocations`]).

mod ask;
mod decode;
mod error;
mod lines;
mod profile;
mod start;
mod table;
mod words;

pub use ask::{Ask, attach};
pub use error::Error;
pub use lines::{Line, Share};
pub use start::{Launch, launch};

use cpython_layout::Version;
use serde::Serialize;
use std::rc::Rc;

/// Mean number of bytes between two samples, unless asked otherwise: a heap of 100 MiB gives 1,600
/// samples, and a line that holds a tenth of it is known to 8 %.
pub const EVERY: u64 = 64 << 10;

/// The library, compiled by the build script.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ungil_hook.so"));

/// What was allocated, where, by whom, and what became of it.
#[derive(Debug, Default, Clone)]
pub struct Allocations {
    /// Process id, as the target sees itself.
    pub pid: u32,
    /// Its Python.
    pub version: Option<Version>,
    /// Whether that build has no GIL.
    pub free_threaded: bool,
    /// Mean number of bytes between two samples; 1 means that nothing is estimated.
    pub every: u64,
    /// From start to end; `None` if the end was not reached.
    pub duration_s: Option<f64>,
    /// Allocations, counted one by one.
    pub allocations: u64,
    /// Bytes asked for, counted one by one.
    pub bytes: u64,
    /// The most bytes that were live at once, of those allocated since the start; estimated.
    pub peak_bytes: u64,
    /// Who allocated.
    pub threads: Vec<Thread>,
    /// Stacks, outermost frame first.
    pub stacks: Vec<Vec<Place>>,
    /// Sums by stack, thread, type and fate, the largest first.
    pub rows: Vec<Row>,
    /// What the profile itself cost.
    pub cost: Cost,
    /// How it ended.
    pub end: End,
    /// What is not in the figures, and why: one sentence each.
    pub notes: Vec<String>,
}

/// A thread that allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    #[serde(skip)]
    row: u32,
    /// The kernel's number of it.
    pub id: u64,
    /// The kernel's name of it, which Python sets from 3.14 on; `main` for the first one.
    pub name: String,
    /// Allocations, counted one by one.
    pub allocations: u64,
    /// Bytes asked for, counted one by one.
    pub bytes: u64,
    /// Samples taken.
    pub samples: u64,
    /// Nanoseconds it spent on samples.
    pub spent_ns: u64,
}

/// A line of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file as the interpreter has it; empty where there is none.
    pub file: Rc<str>,
    /// Qualified name of the function, or in brackets what stands there instead.
    pub function: Rc<str>,
    /// The function's first line.
    pub first: u32,
    /// The line.
    pub line: u32,
}

impl Place {
    fn unknown(why: &str) -> Place {
        Place { file: "".into(), function: why.into(), first: 0, line: 0 }
    }
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// All there were: live and freed together, by place but without types.
    Allocated,
    /// Freed before the end. Types were read on release.
    Freed,
    /// Live at the end. Types were read then.
    Live,
}

/// Blocks of one stack, thread, type and fate.
#[derive(Debug, Clone)]
pub struct Row {
    /// Index of [`Allocations::stacks`].
    pub stack: usize,
    /// Index of [`Allocations::threads`].
    pub thread: Option<usize>,
    /// The type, or in brackets what it is instead; empty for [`Fate::Allocated`].
    pub kind: Rc<str>,
    /// What became of them.
    pub fate: Fate,
    /// How many, and how large.
    pub sum: Sum,
}

/// A sum over sampled blocks. Exact where every block was sampled.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Sum {
    /// Samples.
    pub samples: u64,
    /// Blocks they stand for.
    pub blocks: f64,
    /// Bytes they stand for.
    pub bytes: f64,
    /// Estimated variance of the bytes.
    pub variance: f64,
}

impl Sum {
    /// Adds another.
    pub fn add(&mut self, other: &Sum) {
        self.samples += other.samples;
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.variance += other.variance;
    }

    /// Standard error of the bytes.
    pub fn error(&self) -> f64 {
        self.variance.sqrt()
    }
}

/// What the profile cost the target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// How much longer an allocation and its release took for being counted, in nanoseconds,
    /// measured when it began.
    pub pair_ns: f64,
    /// Samples.
    pub samples: u64,
    /// Seconds spent on them by all threads together, and on releases of sampled blocks.
    pub samples_s: f64,
    /// Seconds of processor time that the target spent meanwhile; `None` if its end was not seen.
    pub processor_s: Option<f64>,
}

/// How a profile ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// As asked, and with the types of what was live.
    Whole,
    /// Sampling was stopped, but the target could not be asked for types.
    Cut,
    /// The target went away.
    #[default]
    Lost,
}

impl Allocations {
    /// The sum of all rows of a fate.
    pub fn total(&self, fate: Fate) -> Sum {
        let mut total = Sum::default();
        self.rows.iter().filter(|r| r.fate == fate).for_each(|r| total.add(&r.sum));
        total
    }

    /// Seconds the profile cost all threads together: what was measured of samples, and the rest at
    /// [`Cost::pair_ns`] each.
    pub fn cost_s(&self) -> f64 {
        self.cost.samples_s + self.allocations as f64 * self.cost.pair_ns / 1e9
    }
}
